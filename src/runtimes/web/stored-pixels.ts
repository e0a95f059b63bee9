/** A context that goes as soon as it has served: browsers allow a page only a few. */
function withContext<T>(work: (gl: WebGLRenderingContext) => T): T | undefined {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl', { premultipliedAlpha: false });
  if (gl === null) return undefined;
  try {
    return work(gl);
  } finally {
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

/**
 * The pixels of a picture as they are stored, also under transparency: 8-bit RGBA. A 2d canvas keeps colours multiplied by their
 * alpha and loses them where that is small; a texture does not. Undefined where there is no WebGL or the picture is too large for it.
 */
export function storedPixels(bitmap: ImageBitmap): Uint8ClampedArray | undefined {
  const { width, height } = bitmap;
  return withContext((gl) => {
    if (Math.max(width, height) > (gl.getParameter(gl.MAX_TEXTURE_SIZE) as number)) return undefined;
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return undefined;
    const rgba = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return gl.getError() === gl.NO_ERROR ? new Uint8ClampedArray(rgba.buffer) : undefined;
  });
}
