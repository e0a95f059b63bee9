/**
 * How long a server's event loop is held up while a model is trained: in this thread, and in a worker.
 *
 *   npx tsx bench/event-loop.ts <data folder> [examples]
 *
 * MobileNetV2 1.0 at 224 px on photos of flowers (default 96), the last two groups learn for one epoch. The data folder is that of
 * `bench/transfer.ts`. The delay is that of node:perf_hooks, sampled every millisecond. It takes one sample however long the
 * loop is held up, so its percentiles flatter a blocked one; therefore a web server in this process is also asked every 20 ms by a program
 * of its own, and `answers` says how long each answer took. Prints one JSON line a setting, in milliseconds.
 */
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { addHead, classification, fineTune, loadPretrained } from 'transferkit';
import { imageFolder } from 'transferkit/data';

const [data, count = '96'] = process.argv.slice(2);
if (data === undefined) throw new Error('usage: npx tsx bench/event-loop.ts <data folder> [examples]');

const photos = (await imageFolder(join(data, 'images/flowers/train'))).shuffle(1).take(Number(count));

const load = async () =>
  addHead(await loadPretrained<'image'>(join(data, 'weights/mobilenet-v2-1.0-224.huggingface')), classification(photos.labels)) as any;

const train = async (worker: boolean) => {
  const model = await load(); // not measured: both need it
  return async (): Promise<void> => {
    await fineTune(model, photos as any, { unfreeze: { last: 2 }, epochs: 1, headEpochs: 1, progress: false, cache: false, worker });
    model.dispose();
  };
};

const settings: readonly [string, () => Promise<() => Promise<void>>][] = [
  ['nothing', async () => () => new Promise((resolve) => setTimeout(resolve, 5000))],
  ['training in this thread', () => train(false)],
  ['training in a worker', () => train(true)],
];

/** Asks the server again and again, and prints how long each answer took. */
const client = `
  const times = [];
  process.on('SIGTERM', () => { console.log(JSON.stringify(times)); process.exit(); });
  for (;;) {
    const started = performance.now();
    await (await fetch(process.argv[1])).text();
    times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }`;

async function startServer(): Promise<{ server: Server; url: string }> {
  const server = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const at = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
const round = (value: number): number => Number(value.toFixed(1));

const { server, url } = await startServer();
for (const [setting, prepare] of settings) {
  const run = await prepare();
  const asking = spawn(process.execPath, ['--input-type=module', '-e', client, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  asking.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  await run();
  const seconds = (performance.now() - started) / 1000;
  delay.disable();
  const ended = new Promise((resolve) => asking.stdout.on('end', resolve));
  asking.kill('SIGTERM');
  await ended;
  const answers = JSON.parse(printed) as number[];
  console.log(
    JSON.stringify({
      setting,
      seconds: round(seconds),
      eventLoop: { p50: round(delay.percentile(50) / 1e6), p99: round(delay.percentile(99) / 1e6), max: round(delay.max / 1e6) },
      answers: { count: answers.length, p50: round(at(answers, 0.5)), p99: round(at(answers, 0.99)), max: round(Math.max(...answers)) },
    }),
  );
}
server.close();
