/** Downloads what its arguments say, for tests with several processes. Prints the SHA-256 of the file. */
import { createHash } from 'node:crypto';
import { download } from '../../src/runtimes/node/download.js';

const [url, key, cacheDir] = process.argv.slice(2);
const file = await download({ url: url!, key: key!, cacheDir: cacheDir! });
console.log(
  createHash('sha256')
    .update(await file.read(0, file.size))
    .digest('hex'),
);
