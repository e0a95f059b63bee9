/** What the works of engines-tfjs-node.mjs share in what they print. */
import { tf } from './networks.mjs';

/** Classes of all heads. */
export const labelCount = 5;

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
export const round = (value, places = 1) => Number(value.toFixed(places));
export const by = () => `tfjs-node ${tf.version['tfjs-node']}, ${process.env.TF_NUM_INTRAOP_THREADS} threads`;
/** The most memory this process ever held. */
export const peakMb = () => round(process.resourceUsage().maxRSS / 1024, 0);
