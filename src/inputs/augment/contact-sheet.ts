import type { RgbImage } from '../../runtimes/runtime.js';

/** Pixels between pictures, and between the first column and the others. */
const gap = 4;
const firstGap = 16;
const white = 255;

/** Copies a picture into a larger one. */
function place({ width, height, data }: RgbImage, sheet: RgbImage, top: number, left: number): void {
  for (let row = 0; row < height; row++) {
    sheet.data.set(data.subarray(row * width * 3, (row + 1) * width * 3), ((top + row) * sheet.width + left) * 3);
  }
}

/** Pictures in rows and columns on white, each in a cell of the largest one's size; the first column stands apart. */
export function contactSheet(rows: readonly (readonly RgbImage[])[]): RgbImage {
  const all = rows.flat();
  const cellWidth = Math.max(...all.map(({ width }) => width));
  const cellHeight = Math.max(...all.map(({ height }) => height));
  const columns = Math.max(...rows.map((row) => row.length));
  const width = columns * (cellWidth + gap) + gap + (columns > 1 ? firstGap - gap : 0);
  const height = rows.length * (cellHeight + gap) + gap;
  const sheet: RgbImage = { width, height, data: new Uint8Array(width * height * 3).fill(white) };
  rows.forEach((row, y) =>
    row.forEach((picture, x) =>
      place(picture, sheet, gap + y * (cellHeight + gap), gap + x * (cellWidth + gap) + (x > 0 ? firstGap - gap : 0)),
    ),
  );
  return sheet;
}
