import type { layers } from '@tensorflow/tfjs-layers';
import type { BuiltBackbone } from '../backbones/backbone.js';
import { nearestName } from '../common/nearest-name.js';
import { TransferKitError } from '../errors.js';
import { linearLayer, type LinearLayer } from './linear-layer.js';
import type { AdapterTargets } from './recipe.js';

/** A layer that can be adapted. */
export interface AdaptableLayer {
  readonly layer: layers.Layer;
  readonly linear: LinearLayer;
  /** Name of its group, and the group's place from the input on. */
  readonly groupName: string;
  readonly group: number;
}

/** Every layer of a network that can be adapted, from input to output. */
export function adaptableLayers({ groups }: BuiltBackbone): AdaptableLayer[] {
  return groups.flatMap(({ name, layers: members }, group) =>
    members.flatMap((layer) => {
      const linear = linearLayer(layer);
      return linear === undefined ? [] : [{ layer, linear, groupName: name, group }];
    }),
  );
}

/** Whether a name, or what is behind one of its slashes, fits a pattern in which `*` stands for anything. */
function fits(pattern: string): (name: string) => boolean {
  const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*');
  const expression = new RegExp(`^(?:.*/)?${source}$`, 's');
  return (name) => expression.test(name);
}

const shown = (names: readonly string[]): string =>
  `${names.slice(0, 16).join(', ')}${names.length > 16 ? ` and ${names.length - 16} more` : ''}`;

const noMatch = (kind: string, pattern: string, names: readonly string[]): TransferKitError => {
  const nearest = nearestName(pattern, names) ?? nearestName(pattern, [...new Set(names.map((name) => name.split('/').at(-1)!))]);
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new TransferKitError(
    'bad-option',
    `the target "${pattern}" fits no ${kind} that can be adapted.${hint}\n  Known: ${shown(names)}\n  Fix: name one of these; * stands for anything, and the front of a name may be left out.`,
    { details: { pattern, names } },
  );
};

/** Those that one of the patterns fits; each pattern must fit something. */
function select(kind: string, found: readonly AdaptableLayer[], patterns: readonly string[], nameOf: (one: AdaptableLayer) => string) {
  const names = [...new Set(found.map(nameOf))];
  const tests = patterns.map((pattern) => {
    const test = fits(pattern);
    if (!names.some(test)) throw noMatch(kind, pattern, names);
    return test;
  });
  return found.filter((one) => tests.some((test) => test(nameOf(one))));
}

/**
 * The layers that a recipe means, from input to output.
 * @param family for messages
 * @throws TransferKitError `bad-option` for a pattern that fits nothing, naming what could be adapted
 */
export function matchTargets(family: string, built: BuiltBackbone, targets: AdapterTargets): AdaptableLayer[] {
  const found = adaptableLayers(built);
  if (found.length === 0) {
    throw new TransferKitError(
      'bad-option',
      `${family} has nothing that could be adapted.\n  Expected: dense layers or ordinary convolutions\n  Received: ${built.groups.length} layer groups without any\n  Fix: train without an adapter, with unfreeze, or choose another backbone.`,
      { details: { family } },
    );
  }
  if (targets === 'all-linear') return found;
  const { groups, layers: names } = 'length' in targets ? { groups: undefined, layers: targets } : targets;
  const inGroups = groups === undefined ? found : select('layer group', found, groups, ({ groupName }) => groupName);
  return names === undefined ? inGroups : select('layer', inGroups, names, ({ layer }) => layer.name);
}
