/** One run. */
export interface Cell {
  readonly set: string;
  readonly strategy: string;
  readonly seed: number;
  readonly accuracy: number;
  readonly seconds: number;
}

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
const points = (value: number): string => (100 * value).toFixed(1);
const signed = (value: number): string => `${value >= 0 ? '+' : ''}${points(value)}`;
const namesOf = (cells: readonly Cell[], member: 'set' | 'strategy'): string[] => [...new Set(cells.map((cell) => cell[member]))];

/** Mean accuracy over seeds, of the runs of one set and strategy; undefined where there are none. */
function averageOf(cells: readonly Cell[], set: string, strategy: string): number | undefined {
  const found = cells.filter((cell) => cell.set === set && cell.strategy === strategy);
  return found.length === 0 ? undefined : mean(found.map((cell) => cell.accuracy));
}

/** Runs that both sides have. */
const paired = (torch: readonly Cell[], ours: readonly Cell[]): { torch: Cell; ours: Cell }[] =>
  ours.flatMap((cell) => {
    const same = torch.find(({ set, strategy, seed }) => set === cell.set && strategy === cell.strategy && seed === cell.seed);
    return same === undefined ? [] : [{ torch: same, ours: cell }];
  });

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** The strategies that are compared in PyTorch too; the default of ours is not one. */
function sideBySide(torch: readonly Cell[], ours: readonly Cell[]): string {
  const sets = namesOf(torch, 'set');
  const strategies = namesOf(torch, 'strategy');
  const pairs = paired(torch, ours);
  const cell = (set: string, strategy: string): string => {
    const [theirs, own] = [averageOf(torch, set, strategy), averageOf(ours, set, strategy)];
    return `${own === undefined ? '-' : points(own)} / ${theirs === undefined ? '-' : points(theirs)}`;
  };
  const difference = (some: typeof pairs): string =>
    some.length === 0 ? '-' : signed(mean(some.map((pair) => pair.ours.accuracy - pair.torch.accuracy)));
  return [
    row(['ours / PyTorch, %', ...strategies, 'mean difference']),
    row(['---', ...strategies.map(() => '---:'), '---:']),
    ...sets.map((set) =>
      row([set, ...strategies.map((strategy) => cell(set, strategy)), difference(pairs.filter((pair) => pair.ours.set === set))]),
    ),
    row([
      'mean difference',
      ...strategies.map((strategy) => difference(pairs.filter((pair) => pair.ours.strategy === strategy))),
      difference(pairs),
    ]),
  ].join('\n');
}

/** Our default beside the best strategy for each set, chosen afterwards by its accuracy in the test: the default is to lose 1 point at most. */
function defaultAgainstBest(ours: readonly Cell[]): string {
  const rows = namesOf(ours, 'set').flatMap((set) => {
    const own = averageOf(ours, set, 'default');
    const others = namesOf(ours, 'strategy').flatMap((strategy) => {
      const accuracy = strategy === 'default' ? undefined : averageOf(ours, set, strategy);
      return accuracy === undefined ? [] : [{ strategy, accuracy }];
    });
    const best = others.sort((a, b) => b.accuracy - a.accuracy)[0];
    return own === undefined || best === undefined ? [] : [{ set, own, best }];
  });
  if (rows.length === 0) return '';
  return [
    '',
    row(['set', 'default, %', 'best by hand, %', 'which', 'difference']),
    row(['---', '---:', '---:', '---', '---:']),
    ...rows.map(({ set, own, best }) => row([set, points(own), points(best.accuracy), best.strategy, signed(own - best.accuracy)])),
    row([
      'mean',
      points(mean(rows.map(({ own }) => own))),
      points(mean(rows.map(({ best }) => best.accuracy))),
      '',
      signed(mean(rows.map(({ own, best }) => own - best.accuracy))),
    ]),
  ].join('\n');
}

function timing(torch: readonly Cell[], ours: readonly Cell[]): string {
  const total = (cells: readonly Cell[]): string =>
    `${Math.round(cells.reduce((sum, cell) => sum + cell.seconds, 0) / 60)} min for ${cells.length} runs`;
  return `\nTraining: ours ${total(ours)}, PyTorch ${total(torch)}.`;
}

/** Everything as Markdown. */
export const comparisonTable = (torch: readonly Cell[], ours: readonly Cell[]): string =>
  [sideBySide(torch, ours), defaultAgainstBest(ours), timing(torch, ours)].join('\n');
