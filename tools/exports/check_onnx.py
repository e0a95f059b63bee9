"""Checks exported ONNX files with the onnx package: its checker with full_check, strict shape inference, operators and their version,
and that the weights of every precision are used. Give it folders of exports, as write-exports.ts makes them.

    python -m venv .venv && .venv/bin/pip install onnx==1.23.2 numpy==2.4.6
    .venv/bin/python tools/exports/check_onnx.py <folder> ...
"""

import sys
from collections import Counter
from pathlib import Path

import onnx
from onnx import TensorProto, checker, shape_inference


def check(path):
    model = onnx.load(path)
    checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert set(versions) == {""} and versions[""] <= 20, versions
    assert all(node.domain in ("", "ai.onnx") for node in model.graph.node)
    told = {entry.key for entry in model.metadata_props}
    assert {"transferkit.version", "transferkit.input", "transferkit.preparation", "transferkit.weights"} <= told, told
    used = {name for node in model.graph.node for name in node.input}
    unused = [tensor.name for tensor in model.graph.initializer if tensor.name not in used]
    assert unused == [], unused
    for value in [*model.graph.input, *model.graph.output]:
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch", value.name
    typed = {value.name for value in inferred.graph.value_info} | {value.name for value in inferred.graph.output}
    untyped = [name for node in model.graph.node for name in node.output if name not in typed]
    assert untyped == [], untyped
    kinds = Counter(TensorProto.DataType.Name(tensor.data_type) for tensor in model.graph.initializer)
    return f"{len(model.graph.node)} nodes, opset {versions['']}, IR {model.ir_version}, weights {dict(kinds)}"


def main(folders):
    files = sorted(file for folder in folders for file in Path(folder).rglob("*.onnx"))
    if not files:
        sys.exit("no .onnx files there")
    for file in files:
        print(f"{file.parent.parent.name}/{file.name}: {check(file)}")
    print(f"{len(files)} files are sound by onnx {onnx.__version__}")


if __name__ == "__main__":
    main(sys.argv[1:])
