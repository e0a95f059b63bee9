/** Product of two bytes over 255, rounded, without a division. */
function multiply255(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/**
 * CMYK to RGB without a colour profile, the plain way that PIL takes: what is left of white after black, less the ink.
 * `data`: 8-bit [pixels, channels], 0 is no ink. Gives 8-bit [pixels, 3].
 */
export function cmykToRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const white = 255 - data[pixel * channels + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      rgb[pixel * 3 + channel] = Math.max(0, white - multiply255(data[pixel * channels + channel]!, white));
    }
  }
  return rgb;
}
