import { describe, expect, it } from 'vitest';
import { displayWidth, fitText, textTable } from '../../src/evaluation/text-table.js';

describe('text for a terminal', () => {
  it('knows how wide characters are shown', () => {
    expect(displayWidth('rose')).toBe(4);
    expect(displayWidth('日本')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('🌹')).toBe(2);
  });

  it('cuts with an ellipsis, never inside a character', () => {
    expect(fitText('dandelion', 5)).toBe('dand…');
    expect(fitText('rose', 4)).toBe('rose');
    expect(fitText('日本語', 4)).toBe('日…');
  });

  it('keeps line breaks and escape sequences out', () => {
    expect(fitText('a\nb\u001b[31mc', 20)).toBe('a b [31mc');
  });

  it('aligns the first column left and the others right', () => {
    expect(
      textTable(
        [
          ['name', 'n'],
          ['rose', '12'],
          ['ox', '3'],
        ],
        10,
      ),
    ).toBe('name   n\nrose  12\nox     3');
  });
});
