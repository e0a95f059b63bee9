import { createRandom, hash32, type Random } from '../../common/random.js';

/**
 * The draws of one view of one example. Training, the feature cache and previews all ask here, so that the same seed shows the
 * same pictures everywhere, whatever the order in which examples are read.
 *
 * @param id the example's name in its data set
 * @param view number of the view, from 1 on; 0 is the example as it is, and draws nothing
 * @param branch which input of the example, for heads that compare several
 */
export function viewRandom(seed: number, id: string, view: number, branch = 0): Random {
  return createRandom(hash32(`${seed}/${id}/${view}${branch === 0 ? '' : `/${branch}`}`));
}
