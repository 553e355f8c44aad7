import { z } from 'zod';

const PUBLIC_REGISTRY = 'https://registry.npmjs.org/';

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      integrity: z.string().optional(),
      resolved: z.string().optional(),
      link: z.boolean().optional(),
      inBundle: z.boolean().optional(),
    }),
  ),
});

/**
 * The faults of a package-lock.json, one line each: `npm ci` verifies only packages with an integrity, and the URL of a
 * private registry would make a clone fail elsewhere.
 * @param text of the file
 */
export function lockFaults(text: string): string[] {
  const { packages } = lockSchema.parse(JSON.parse(text));
  return Object.entries(packages).flatMap(([path, { integrity, resolved, link, inBundle }]) => {
    // The project itself, and packages that are bundled in another one and verified with it.
    if (path === '' || link === true || inBundle === true) return [];
    const faults: string[] = [];
    if (integrity === undefined || !/^sha512-[\w+/]{86}==$/.test(integrity))
      faults.push(`${path} has no SHA-512 integrity`);
    if (resolved !== undefined && !resolved.startsWith(PUBLIC_REGISTRY))
      faults.push(`${path} comes from ${new URL(resolved).origin} instead of the public registry`);
    return faults;
  });
}
