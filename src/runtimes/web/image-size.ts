/** Width and height in pixels, before the orientation is applied. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

const ascii = (view: DataView, offset: number, length: number): string =>
  String.fromCharCode(...Array.from({ length }, (_, index) => view.getUint8(offset + index)));
const uint24 = (view: DataView, offset: number): number => view.getUint16(offset, true) | (view.getUint8(offset + 2) << 16);

const pngSize = (view: DataView): ImageSize => ({ width: view.getUint32(16), height: view.getUint32(20) });
const gifSize = (view: DataView): ImageSize => ({ width: view.getUint16(6, true), height: view.getUint16(8, true) });

/** Markers that begin a frame: C0 to CF, but for the tables C4, C8 and CC. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Goes from segment to segment until the one that begins the frame. */
function jpegSize(view: DataView): ImageSize | undefined {
  let offset = 2;
  while (view.getUint8(offset) === 0xff) {
    const marker = view.getUint8(offset + 1);
    if (marker === 0xff)
      offset += 1; // a fill byte
    else if (isFrame(marker)) return { height: view.getUint16(offset + 5), width: view.getUint16(offset + 7) };
    else offset += 2 + view.getUint16(offset + 2);
  }
  return undefined;
}

/** The three kinds of WebP keep their size in three places. */
function webpSize(view: DataView): ImageSize | undefined {
  const kind = ascii(view, 12, 4);
  if (kind === 'VP8X') return { width: uint24(view, 24) + 1, height: uint24(view, 27) + 1 };
  if (kind === 'VP8 ') return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (kind !== 'VP8L') return undefined;
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
}

const readers: Readonly<Record<string, (view: DataView) => ImageSize | undefined>> = {
  PNG: pngSize,
  GIF: gifSize,
  JPEG: jpegSize,
  WebP: webpSize,
};

/** The size that a picture's header states; undefined where it is not known how to read it, or where it ends too early. */
export function imageSize(bytes: Uint8Array, format: string): ImageSize | undefined {
  try {
    return readers[format]?.(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch {
    return undefined; // beyond the end: the decoder will tell
  }
}
