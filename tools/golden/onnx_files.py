"""Writes test/golden/onnx: small .onnx files made by the onnx package, and what it reads in them and computes with them.

    python -m venv .venv && .venv/bin/pip install onnx==1.23.2 numpy==2.4.6
    .venv/bin/python tools/golden/onnx_files.py                      # writes the files
    .venv/bin/python tools/golden/onnx_files.py --check FILE...      # checks files that TransferKit wrote: checker, types, first output
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import checker, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

FOLDER = Path(__file__).resolve().parents[2] / "test" / "golden" / "onnx"
NUMBERS = {
    "float32": (np.float32, [1.5, -2.25, 3e38]),
    "float16": (np.float16, [0.5, -1.0, 65504.0]),
    "float64": (np.float64, [1e300, -0.1]),
    "int8": (np.int8, [-128, 127]),
    "uint8": (np.uint8, [0, 255]),
    "int16": (np.int16, [-32768, 300]),
    "uint16": (np.uint16, [65535, 7]),
    "int32": (np.int32, [-2147483648, 2147483647]),
    "uint32": (np.uint32, [4294967295, 1]),
    "int64": (np.int64, [-(2**63), 2**63 - 1, 5]),
    "uint64": (np.uint64, [2**64 - 1, 1]),
    "bool": (np.bool_, [True, False, True]),
}
NAMES = {helper.np_dtype_to_tensor_dtype(np.dtype(kind)): name for name, (kind, _) in NUMBERS.items()}


def constants():
    return {f"c_{name}": np.array(values, dtype=kind) for name, (kind, values) in NUMBERS.items()}


def named(operator, inputs, outputs, **attributes):
    """A node as our writer makes it: called after its first result, attributes by name."""
    node = helper.make_node(operator, inputs, outputs, name=outputs[0], domain=attributes.pop("domain", None))
    for key in sorted(attributes):
        node.attribute.append(helper.make_attribute(key, attributes[key]))
    return node


def twin():
    """The model that test/golden/onnx-files.test.ts tells to our writer; the bytes must be the same."""
    inner = helper.make_tensor("", T.FLOAT, [2, 2], np.array([[1, 2], [3, 4]], np.float32).tobytes(), raw=True)
    constant = helper.make_node("Constant", [], ["k"], name="k")
    constant.attribute.append(helper.make_attribute("value", inner))
    filled = named("ConstantOfShape", ["shape"], ["filled"], value=helper.make_tensor("", T.INT64, [1], np.array([7]).tobytes(), raw=True))
    for node in (constant, filled):
        node.attribute[0].t.ClearField("name")
    nodes = [
        constant,
        named("MatMul", ["x", "k"], ["product"]),
        named("LeakyRelu", ["product"], ["bent"], alpha=0.1),
        named("Transpose", ["bent"], ["turned"], perm=[1, 0]),
        named("Clip", ["turned", "", "limit"], ["clipped"]),
        named("Gelu", ["clipped"], ["smooth"], domain="com.microsoft"),
        named("Gelu", ["smooth"], ["gelu ä"], approximate="tanh"),
        named("Split", ["gelu ä"], ["first", "second"], axis=-1, num_outputs=2),
        filled,
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in {**constants(), "limit": np.float32(6), "shape": np.array([3])}.items()]
    graph = helper.make_graph(
        nodes,
        "twin",
        [helper.make_tensor_value_info("x", T.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("first", T.FLOAT, [1, "batch"]), helper.make_tensor_value_info("filled", T.INT64, [3])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)], ir_version=9)
    model.producer_name, model.producer_version = "transferkit", "0"
    helper.set_model_props(model, {"a": "1", "labels": '["kät", "дом"]'})
    return model


def listed_tensor(name, kind, values):
    """Numbers in the field of their type instead of raw bytes, the older way to store them."""
    return helper.make_tensor(name, kind, [len(values)], values)


def branch(name, inner):
    nodes = [helper.make_node("Mul", ["hidden", f"{name}_scale"], [f"{name}_scaled"]), *inner]
    scale = helper.make_tensor(f"{name}_scale", T.FLOAT, [], [2.0 if name == "yes" else -1.0])
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_out", T.FLOAT, None)], [scale])


def branches():
    """A graph with branches that take values from outside, and a weight that only one of two outputs needs."""
    yes = branch("yes", [helper.make_node("Add", ["yes_scaled", "bias"], ["yes_out"])])
    no = branch("no", [helper.make_node("Identity", ["no_scaled"], ["no_out"])])
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["hidden"], name="first"),
        helper.make_node("ReduceSum", ["hidden"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["chosen"], name="choice", then_branch=yes, else_branch=no),
        helper.make_node("Softmax", ["chosen"], ["classes"], axis=-1),
        helper.make_node("MatMul", ["classes", "top"], ["scores"]),
    ]
    random = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32).round(3), name)
        for name, shape in {"w": (3, 4), "bias": (4,), "top": (4, 2), "zero": ()}.items()
    ]
    weights[3] = helper.make_tensor("zero", T.FLOAT, [], [0.0])
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("x", T.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("scores", T.FLOAT, ["batch", 2])],
        weights,
        value_info=[helper.make_tensor_value_info("hidden", T.FLOAT, ["batch", 4]), helper.make_tensor_value_info("classes", T.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="golden")
    helper.set_model_props(model, {"kind": "branches"})
    checker.check_model(model, full_check=True)
    return model


def old():
    """As exporters wrote before 2019: every weight is listed among the inputs."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["hidden"]), helper.make_node("MatMul", ["hidden", "top"], ["scores"])]
    values = {"w": np.eye(3, 2, dtype=np.float32), "top": np.ones((2, 2), np.float32)}
    inputs = [helper.make_tensor_value_info(name, T.FLOAT, shape) for name, shape in {"x": [1, 3], "w": [3, 2], "top": [2, 2]}.items()]
    weights = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "old", inputs, [helper.make_tensor_value_info("scores", T.FLOAT, [1, 2])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3)
    checker.check_model(model)
    return model


def awkward():
    """What files may hold beside the usual; to be read, not to be run."""
    outside = onnx.TensorProto(name="far", data_type=T.FLOAT, dims=[2, 3], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": "weights.bin", "offset": "0", "length": "24"}.items():
        outside.external_data.add(key=key, value=value)
    weights = [listed_tensor(f"l_{name}", helper.np_dtype_to_tensor_dtype(np.dtype(kind)), values) for name, (kind, values) in NUMBERS.items()]
    four_bits = helper.make_tensor("four_bits", T.INT4, [3], [1, -2, 3])
    text = helper.make_tensor("text", T.STRING, [2], ["a", "b"])
    sparse = helper.make_sparse_tensor(helper.make_tensor("thin", T.FLOAT, [1], [5.0]), helper.make_tensor("", T.INT64, [1], [2]), [9])
    sequence = helper.make_value_info("list", helper.make_sequence_type_proto(helper.make_tensor_type_proto(T.FLOAT, [1])))
    unknown = helper.make_tensor_value_info("unknown", T.FLOAT16, [None, "tokens", 0])
    shapeless = helper.make_tensor_value_info("shapeless", T.INT64, None)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["unknown"], ["y"], doc_string="a note"), helper.make_node("Own", ["y"], ["z"], domain="mine")],
        "awkward",
        [unknown, shapeless, sequence],
        [onnx.ValueInfoProto(name="z")],
        [*weights, four_bits, text, outside],
        sparse_initializer=[sparse],
    )
    graph.quantization_annotation.add(tensor_name="y").quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="l_float32")
    own = helper.make_function("mine", "Own", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], [helper.make_opsetid("", 18)])
    sets = [helper.make_opsetid("ai.onnx", 21), helper.make_opsetid("mine", 1)]
    return helper.make_model(graph, functions=[own], opset_imports=sets, ir_version=10, doc_string="much of everything")


def size_of(dimension):
    if dimension.HasField("dim_value"):
        return dimension.dim_value
    return dimension.dim_param or None


def told_value(value):
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return {"name": value.name, "type": kind and kind.removesuffix("_type"), "shape": None}
    tensor = value.type.tensor_type
    shape = [size_of(dimension) for dimension in tensor.shape.dim] if tensor.HasField("shape") else None
    return {"name": value.name, "type": NAMES.get(tensor.elem_type), "shape": shape}


def told_tensor(tensor):
    told = {"name": tensor.name, "shape": list(tensor.dims)}
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.data_type not in NAMES:
        return told
    return {**told, "type": NAMES[tensor.data_type], "hex": numpy_helper.to_array(tensor).tobytes().hex()}


def told(model):
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    return {
        "irVersion": model.ir_version,
        "producer": model.producer_name,
        "name": graph.name,
        "operatorSets": {("" if s.domain == "ai.onnx" else s.domain): s.version for s in model.opset_import},
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "inputs": [told_value(value) for value in graph.input if value.name not in weights],
        "outputs": [told_value(value) for value in graph.output],
        "values": [told_value(value) for value in graph.value_info],
        "nodes": [{"name": n.name, "operator": n.op_type, "domain": n.domain, "inputs": list(n.input), "outputs": list(n.output)} for n in graph.node],
        "initializers": [told_tensor(tensor) for tensor in graph.initializer],
    }


def computed(model, names):
    """What the reference evaluator gives for each value, for two inputs so that both branches are taken."""
    shape = [size_of(dimension) for dimension in model.graph.input[0].type.tensor_type.shape.dim]
    rows = shape[0] if isinstance(shape[0], int) else 2
    random = np.random.default_rng(11)
    runs = []
    for sign in (1, -1):
        x = (np.abs(random.normal(size=(rows, *shape[1:]))) * sign).astype(np.float32).round(3)
        values = ReferenceEvaluator(with_outputs(model, names)).run(names, {"x": x})
        runs.append({"x": x.ravel().tolist(), "rows": rows, "values": {n: [list(v.shape), np.ravel(v).astype(float).tolist()] for n, v in zip(names, values)}})
    return runs


def with_outputs(model, names):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(helper.make_tensor_value_info(name, T.FLOAT, None) for name in names)
    return copy


def write():
    FOLDER.mkdir(parents=True, exist_ok=True)
    runs = {"branches": ["hidden", "chosen", "classes", "scores"], "old": ["hidden", "scores"]}
    for make in (twin, branches, old, awkward):
        model = make()
        name = make.__name__
        (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        case = {"reference": {"onnx": onnx.__version__, "numpy": np.__version__}, "file": told(model)}
        if name in runs:
            case["runs"] = computed(model, runs[name])
        (FOLDER / f"{name}.json").write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")


def check(files):
    for file in files:
        model = onnx.load(file)
        checker.check_model(model, full_check=True)
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        print(file, "sound;", len(model.graph.node), "nodes;", [told_value(value) for value in inferred.graph.output])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(sys.argv[2:])
    else:
        write()
