/**
 * Few-shot training on samples that another program drew, so that both learn from the same examples.
 *
 *   npx tsx bench/few-shot.ts <data folder> <all-MiniLM-L6-v2 folder> <samples folder> [set.count.seed ...]
 *
 * The samples folder holds `<set>.<examples a class>.<seed>.json` with `{ "train": [{ "text", "label" }, ...] }`, as
 * `bench/fewshot_reference.py` writes them beside its own results, `setfit.json`. Prints one JSON line a sample: accuracy on the
 * first 1,000 rows of `text/<set>/test.csv`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate, fewShot, loadPretrained } from 'transferkit';
import { examples, table } from 'transferkit/data';

const [data, minilm, samples, ...wanted] = process.argv.slice(2);
if (data === undefined || minilm === undefined || samples === undefined)
  throw new Error('usage: npx tsx bench/few-shot.ts <data folder> <all-MiniLM-L6-v2 folder> <samples folder> [set.count.seed ...]');

const names =
  wanted.length > 0
    ? wanted
    : readdirSync(samples)
        .filter((name) => /\.\d+\.\d+\.json$/.test(name))
        .map((name) => name.slice(0, -'.json'.length));

for (const name of names) {
  const [set, count, seed] = name.split('.');
  const { train } = JSON.parse(readFileSync(join(samples, `${name}.json`), 'utf8')) as { train: { text: string; label: string }[] };
  const few = examples(train);
  const test = (await table(join(data, `text/${set}/test.csv`))).take(1000);
  const base = await loadPretrained<'text'>(minilm);
  const started = performance.now();
  const { model, plan } = await fewShot(base, few, { seed: Number(seed), progress: false });
  const seconds = (performance.now() - started) / 1000;
  const { accuracy } = await evaluate(model, test);
  console.log(
    JSON.stringify({
      set,
      count: Number(count),
      seed: Number(seed),
      accuracy,
      steps: plan.steps,
      seconds: Math.round(seconds * 10) / 10,
    }),
  );
  model.dispose();
}
