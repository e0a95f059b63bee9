import type { Missing } from '../runtime.js';

/** What is used of WebGPU's own interface, which not every TypeScript knows. */
interface AdapterInfo {
  readonly vendor?: string;
  readonly isFallbackAdapter?: boolean;
}
interface Graphics {
  requestAdapter(options: {
    powerPreference: string;
  }): Promise<{ readonly info?: AdapterInfo; readonly isFallbackAdapter?: boolean } | null>;
}

/** A graphics card that WebGPU offers, or why there is none. */
export async function findGraphicsAdapter(): Promise<{ readonly vendor: string } | Missing> {
  const { gpu } = navigator as { readonly gpu?: Graphics };
  if (gpu === undefined) return { missing: 'this browser does not offer it here' };
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null) return { missing: 'there is no graphics card for it' };
  const { info = {}, isFallbackAdapter = false } = adapter;
  if (info.isFallbackAdapter ?? isFallbackAdapter) return { missing: 'the processor would stand in for a graphics card' };
  return { vendor: info.vendor ?? '' };
}
