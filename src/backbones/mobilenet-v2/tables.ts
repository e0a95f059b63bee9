import type { WeightRow, WeightTable } from '../../weights/fill-model.js';
import type { AxisLayout } from '../../weights/layouts.js';
import type { MobileNetV2Config } from './config.js';

/** Where a convolution stands in the network. */
interface Place {
  readonly part: 'stem' | 'block' | 'top';
  readonly role: 'convolution' | 'expand' | 'depthwise' | 'project';
  /** Number of the block, from 1; 0 elsewhere. */
  readonly block: number;
  /** Stage of the block and its place in it, both from 0. */
  readonly stage: number;
  readonly index: number;
}

/** What an ecosystem calls a convolution and its normalisation. */
interface PlaceNames {
  readonly convolution: string;
  readonly normalization: string;
}

/** What the names of tensors depend on. */
export type NamedBy = Pick<MobileNetV2Config, 'stages' | 'stemExpansion'>;

/** All convolutions of a network, from input to output. */
export function places(config: NamedBy): Place[] {
  const roles = ['expand', 'depthwise', 'project'] as const;
  const stem = { part: 'stem', block: 0, stage: 0, index: 0 } as const;
  const stemRoles = (['convolution', ...roles] as const).filter((role) => role !== 'expand' || config.stemExpansion);
  const blocks = config.stages.flatMap((count, stage) => Array.from({ length: count }, (_, index) => ({ stage, index }))).slice(1);
  return [
    ...stemRoles.map((role) => ({ ...stem, role })),
    ...blocks.flatMap((block, index) => roles.map((role) => ({ part: 'block', role, block: index + 1, ...block }) as const)),
    { part: 'top', role: 'convolution', block: 0, stage: config.stages.length, index: 0 },
  ];
}

/** Our layer name of a convolution. */
export const ourName = ({ part, block, role }: Place): string => `${part === 'block' ? `block-${block}` : part}/${role}`;

type Naming = (place: Place) => PlaceNames;

const huggingFaceRoles = { convolution: 'first_conv', expand: 'expand_1x1', depthwise: 'conv_3x3', project: 'reduce_1x1' };

const huggingFaceNaming: Naming = ({ part, role, block }) => {
  const module = part === 'top' ? 'conv_1x1' : `${part === 'stem' ? 'conv_stem' : `layer.${block - 1}`}.${huggingFaceRoles[role]}`;
  return { convolution: `${module}.convolution`, normalization: `${module}.normalization` };
};

/** timm's block of the first stage has no expansion, so its names stand one step further back. */
const timmRoles = {
  stem: { convolution: ['conv_stem', 'bn1'], expand: ['', ''], depthwise: ['conv_dw', 'bn1'], project: ['conv_pw', 'bn2'] },
  block: { convolution: ['', ''], expand: ['conv_pw', 'bn1'], depthwise: ['conv_dw', 'bn2'], project: ['conv_pwl', 'bn3'] },
};

const timmNaming: Naming = ({ part, role, stage, index }) => {
  if (part === 'top') return { convolution: 'conv_head', normalization: 'bn2' };
  const [convolution, normalization] = timmRoles[part][role] as [string, string];
  const prefix = role === 'convolution' ? '' : `blocks.${stage}.${index}.`;
  return { convolution: prefix + convolution, normalization: prefix + normalization };
};

/** torchvision numbers the parts of a block; the first block has no expansion, so its numbers are one lower. */
const torchvisionRoles = { convolution: ['', ''], expand: ['0.0', '0.1'], depthwise: ['1.0', '1.1'], project: ['2', '3'] };
const torchvisionStemRoles = { ...torchvisionRoles, depthwise: ['0.0', '0.1'], project: ['1', '2'] };

const torchvisionNaming =
  ({ stages }: NamedBy): Naming =>
  ({ part, role, block }) => {
    const outer = part === 'top' ? `features.${stages.reduce((sum, count) => sum + count, 1)}` : 'features.0';
    if (role === 'convolution') return { convolution: `${outer}.0`, normalization: `${outer}.1` };
    const [convolution, normalization] = (part === 'stem' ? torchvisionStemRoles : torchvisionRoles)[role] as [string, string];
    const prefix = `features.${block + 1}.conv.`;
    return { convolution: prefix + convolution, normalization: prefix + normalization };
  };

/** Keras's layer names, which tfjs exports and Teachable Machine keep. */
export const kerasNaming: Naming = ({ part, role, block }) => {
  if (part === 'top') return { convolution: 'Conv_1', normalization: 'Conv_1_bn' };
  if (role === 'convolution') return { convolution: 'Conv1', normalization: 'bn_Conv1' };
  const name = `${part === 'stem' ? 'expanded_conv' : `block_${block}`}_${role}`;
  return { convolution: name, normalization: `${name}_BN` };
};

const torchNormalization: readonly (readonly [string, string])[] = [
  ['gamma', 'weight'],
  ['beta', 'bias'],
  ['moving_mean', 'running_mean'],
  ['moving_variance', 'running_var'],
];

/** Rows of a PyTorch layout, behind an optional prefix. */
function torchRows(config: NamedBy, naming: Naming, prefix = ''): WeightRow[] {
  return places(config).flatMap((place) => {
    const names = naming(place);
    const layout: AxisLayout = place.role === 'depthwise' ? 'depthwise' : 'conv2d';
    const kernel = `${ourName(place)}/${place.role === 'depthwise' ? 'depthwise_kernel' : 'kernel'}`;
    const normalization = torchNormalization.map(([ours, theirs]): WeightRow => [
      `${ourName(place)}/normalization/${ours}`,
      `${prefix}${names.normalization}.${theirs}`,
      'copy',
    ]);
    return [[kernel, `${prefix}${names.convolution}.weight`, layout], ...normalization];
  });
}

/** The names of a Keras file by their last two parts: older and newer writers put scopes in front and `:0` behind. */
function kerasTails(names: Iterable<string>): Map<string, string> {
  return new Map([...names].map((name) => [name.replace(/:0$/, '').split('/').slice(-2).join('/'), name]));
}

function kerasRows(config: NamedBy, names: ReadonlySet<string>): WeightRow[] {
  const tails = kerasTails(names);
  const theirs = (...candidates: string[]): string => tails.get(candidates.find((name) => tails.has(name)) ?? '') ?? candidates[0]!;
  return places(config).flatMap((place) => {
    const { convolution, normalization } = kerasNaming(place);
    const kernel = place.role === 'depthwise' ? 'depthwise_kernel' : 'kernel';
    // Keras 3 calls the kernel of a depthwise convolution `kernel`.
    const rows: WeightRow[] = [[`${ourName(place)}/${kernel}`, theirs(`${convolution}/${kernel}`, `${convolution}/kernel`), 'copy']];
    for (const [ours] of torchNormalization)
      rows.push([`${ourName(place)}/normalization/${ours}`, theirs(`${normalization}/${ours}`), 'copy']);
    return rows;
  });
}

/** Keras's count of layers of one class: `conv2d`, `conv2d_1`, ... */
const counted = (name: string, index: number): string => (index === 0 ? name : `${name}_${index}`);

/** How the last name of a .keras archive's depthwise convolutions ends; before it stand the models around the backbone. */
const archiveMark = 'layers/depthwise_conv2d_16/vars/0';

/** The names of a .keras archive: layers are counted by class in the order of the network, weights by number. */
function archiveRows(config: NamedBy, names: ReadonlySet<string>): WeightRow[] {
  const prefix = [...names].find((name) => name.endsWith(archiveMark))?.slice(0, -archiveMark.length) ?? '';
  const count = { conv2d: 0, depthwise_conv2d: 0 };
  return places(config).flatMap((place, index) => {
    const depthwise = place.role === 'depthwise';
    const kind = depthwise ? 'depthwise_conv2d' : 'conv2d';
    const kernel: WeightRow = [
      `${ourName(place)}/${depthwise ? 'depthwise_kernel' : 'kernel'}`,
      `${prefix}layers/${counted(kind, count[kind]++)}/vars/0`,
      'copy',
    ];
    const normalization = `${prefix}layers/${counted('batch_normalization', index)}/vars`;
    return [
      kernel,
      ...torchNormalization.map(([ours], number): WeightRow => [
        `${ourName(place)}/normalization/${ours}`,
        `${normalization}/${number}`,
        'copy',
      ]),
    ];
  });
}

/** What transformers puts in front of the backbone's names when there is a head. */
const headPrefix = 'mobilenet_v2.';

/** How each ecosystem names the tensors. */
export const mobilenetV2Tables = {
  huggingface: {
    detect: (names) =>
      names.has('conv_stem.first_conv.convolution.weight') || names.has(`${headPrefix}conv_stem.first_conv.convolution.weight`),
    rows: (config, names) => torchRows(config, huggingFaceNaming, [...names].some((name) => name.startsWith(headPrefix)) ? headPrefix : ''),
    ignore: [/^classifier\./, /^segmentation_head\./, /\.num_batches_tracked$/],
  },
  timm: {
    detect: (names) => names.has('conv_stem.weight') && names.has('blocks.1.0.conv_pwl.weight'),
    rows: (config) => torchRows(config, timmNaming),
    ignore: [/^classifier\./, /\.num_batches_tracked$/],
  },
  torchvision: {
    detect: (names) => names.has('features.0.0.weight') && names.has('features.1.conv.0.0.weight'),
    rows: (config) => torchRows(config, torchvisionNaming(config)),
    ignore: [/^classifier\./, /\.num_batches_tracked$/],
  },
  keras: {
    detect: (names) => ['bn_Conv1/gamma', 'expanded_conv_project/kernel', 'Conv_1/kernel'].every((name) => kerasTails(names).has(name)),
    rows: kerasRows,
    // Whatever is not of the backbone is of a head, whose names are anyone's choice.
    ignore: [/^(?!(?:.*\/)?(?:Conv1|bn_Conv1|Conv_1|Conv_1_bn|expanded_conv_[a-zA-Z_]+|block_\d+_[a-zA-Z_]+)\/[^/]+$)/],
  },
  'keras-archive': {
    detect: (names) => [...names].some((name) => name.endsWith(archiveMark)),
    rows: archiveRows,
    ignore: [/./],
  },
} satisfies Record<string, WeightTable<NamedBy>>;
