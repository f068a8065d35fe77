/** The rights of a user who is not root, to whom every folder is open. */
const NOBODY = 65534;

/**
 * Whether tests of rights can run: root can become somebody else, and everybody else has limits
 * already.
 */
export const hasRightsToTest = process.geteuid !== undefined && process.seteuid !== undefined;

/** Does `work` as a user without rights to what others have closed. */
export async function withoutRights<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}
