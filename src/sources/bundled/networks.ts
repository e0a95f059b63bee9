// Written by tools/pretrain/pack.ts.

/** Size and SHA-256 of the file of each network that ships with the package. */
export const networks = {
  'image-small': { bytes: 1926000, sha256: '2f2a7aa79a3997d50a9481721cf6be8d9bf7a0a8b12a4392b0dce61e70020f99' },
  'text-small': { bytes: 3851096, sha256: '3156d3248cbc5e27e8a85049baef40b8cca52cde59a81bcaa6c6532bdb2171de' },
  'text-transformer': { bytes: 5477992, sha256: '777e5e4382b5097afbd2bff767d235d4552a4080a3d9e9dc9c701265e0dab203' },
} as const;
