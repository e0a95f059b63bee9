/** What the first bytes of a file say that it is. */
export interface SniffedFormat {
  /** In words, for messages: `JPEG`, `text`, `SVG (XML)`. */
  readonly name: string;
  /** True for the picture formats that are decoded. */
  readonly isDecodable: boolean;
  /** True for pictures that are known and not decoded: say so instead of "corrupt". */
  readonly isPicture: boolean;
}

interface Signature {
  readonly name: string;
  readonly decodable: boolean;
  readonly picture: boolean;
  readonly matches: (head: string) => boolean;
}

const brand = (head: string): string => (head.slice(4, 8) === 'ftyp' ? head.slice(8, 12) : '');
const text = (head: string): string =>
  head
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .trimStart()
    .toLowerCase();

const picture = (name: string, matches: Signature['matches']): Signature => ({ name, decodable: true, picture: true, matches });
const refused = (name: string, matches: Signature['matches']): Signature => ({ name, decodable: false, picture: true, matches });
const other = (name: string, matches: Signature['matches']): Signature => ({ name, decodable: false, picture: false, matches });

/** In order: the first that matches names the format. `head` has one character per byte. */
const signatures: readonly Signature[] = [
  picture('JPEG', (head) => head.startsWith('\xff\xd8\xff')),
  picture('PNG', (head) => head.startsWith('\x89PNG\r\n\x1a\n')),
  picture('GIF', (head) => /^GIF8[79]a/.test(head)),
  picture('WebP', (head) => head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP'),
  picture('TIFF', (head) => /^(II[*+]\0|MM\0[*+])/.test(head)),
  picture('AVIF', (head) => ['avif', 'avis'].includes(brand(head))),
  refused('HEIC', (head) => ['heic', 'heix', 'hevc', 'heim', 'heis', 'mif1', 'msf1'].includes(brand(head))),
  refused('JPEG XL', (head) => head.startsWith('\xff\x0a') || head.slice(4, 8) === 'JXL '),
  refused('BMP', (head) => head.startsWith('BM') && head.slice(6, 10) === '\0\0\0\0'),
  refused('ICO', (head) => head.startsWith('\0\0\x01\0')),
  refused('SVG (XML)', (head) => text(head).startsWith('<svg') || (text(head).startsWith('<?xml') && text(head).includes('<svg'))),
  other('XML', (head) => text(head).startsWith('<?xml')),
  other('HTML', (head) => /^<(!doctype html|html|head|body)/.test(text(head))),
  other('PDF', (head) => head.startsWith('%PDF')),
  other('a zip archive', (head) => head.startsWith('PK\x03\x04')),
  other('gzip', (head) => head.startsWith('\x1f\x8b')),
  other('MP4 video', (head) => brand(head) !== ''),
  other('a Git LFS pointer', (head) => head.startsWith('version https://git-lfs')),
  other('JSON', (head) => /^[[{]\s*["\]}{[\d]/.test(text(head))),
  other('text', (head) => head.length > 0 && /^[\t\n\r\x20-\x7e\x80-\xff]+$/.test(head)),
];

const hex = (bytes: Uint8Array): string => [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** Tells the format by content; the file name is not looked at. */
export function sniffFormat(bytes: Uint8Array): SniffedFormat {
  if (bytes.length === 0) return { name: 'empty', isDecodable: false, isPicture: false };
  const head = String.fromCharCode(...bytes.subarray(0, 512));
  const found = signatures.find((signature) => signature.matches(head));
  if (found === undefined) return { name: `unknown (first bytes ${hex(bytes)})`, isDecodable: false, isPicture: false };
  return { name: found.name, isDecodable: found.decodable, isPicture: found.picture };
}
