import { TransferKitError } from '../../errors.js';

/** What a message about a Hub repository speaks of. */
export interface HubPlace {
  readonly repo: string;
  readonly revision: string;
  readonly endpoint: string;
  readonly hasToken: boolean;
}

type Explanation = readonly [code: 'not-found' | 'unauthorized', what: string, fix: string];

/**
 * An error of a download in the Hub's terms, from its status and its `X-Error-Code` header. Anything else is given back as it is.
 * To those without a token the Hub does not tell a private repository from one that does not exist.
 */
export function explainHubError(error: unknown, place: HubPlace, path?: string): unknown {
  if (!TransferKitError.isInstance(error)) return error;
  const { status, errorCode } = error.details;
  const explanation = explain(Number(status), typeof errorCode === 'string' ? errorCode : '', place, path);
  if (explanation === undefined) return error;
  const [code, what, fix] = explanation;
  const details = { status, errorCode, repo: place.repo, revision: place.revision, ...(path === undefined ? {} : { path }) };
  return new TransferKitError(code, `${what} (${String(status)} from ${place.endpoint}).\n  Fix: ${fix}`, { details, cause: error });
}

function explain(status: number, errorCode: string, place: HubPlace, path?: string): Explanation | undefined {
  const { repo, revision, hasToken } = place;
  const token = hasToken ? 'check that the token is valid and may read it' : 'give a token (option "token", or HF_TOKEN)';
  if (errorCode === 'GatedRepo') {
    return ['unauthorized', `"${repo}" is gated`, `accept its terms on ${place.endpoint}/${repo}, then ${token}.`];
  }
  if (errorCode === 'RepoNotFound') {
    return ['not-found', `there is no repository "${repo}", or it is private`, `check the spelling; if it is private, ${token}.`];
  }
  if (errorCode === 'RevisionNotFound') {
    return ['not-found', `"${repo}" has no revision "${revision}"`, 'name a branch, a tag or a commit of 40 hexadecimal digits.'];
  }
  if (status === 401 || status === 403)
    return ['unauthorized', `the Hub refuses to give "${repo}"`, `${token}; if it is gated, accept its terms first.`];
  if (status !== 404) return undefined;
  return [
    'not-found',
    path === undefined ? `there is no repository "${repo}" with a revision "${revision}"` : `"${repo}" has no file "${path}"`,
    'check the spelling.',
  ];
}
