/** Why a part of the page is not there, and what would fill it. */
export interface Missing {
  readonly missing: string;
  readonly fill: string;
}

export const isMissing = (value: object): value is Missing => 'missing' in value;
