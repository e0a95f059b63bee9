import { TransferKitError } from '../errors.js';
import { nearestName } from '../common/nearest-name.js';

/** Refuses options that do not exist, with the nearest that does. @throws TransferKitError `bad-option` */
export function checkOptions(call: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    throw new TransferKitError('bad-option', `${call} has no option "${name}".${hint}\n  Known: ${known.join(', ')}`, {
      details: { call, option: name, known },
    });
  }
}
