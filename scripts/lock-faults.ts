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
 * What is wrong with a package-lock.json, one line a fault: `npm ci` verifies only what has an integrity, and an address of a
 * private registry would make a clone fail elsewhere.
 * @param text of the file
 */
export function lockFaults(text: string): string[] {
  const { packages } = lockSchema.parse(JSON.parse(text));
  return Object.entries(packages).flatMap(([path, { integrity, resolved, link, inBundle }]) => {
    // The project itself, and what comes inside another package and is verified with it.
    if (path === '' || link === true || inBundle === true) return [];
    const faults: string[] = [];
    if (integrity === undefined || !/^sha512-[\w+/]{86}==$/.test(integrity))
      faults.push(`${path} has no SHA-512 integrity`);
    if (resolved !== undefined && !resolved.startsWith(PUBLIC_REGISTRY))
      faults.push(`${path} comes from ${new URL(resolved).origin} instead of the public registry`);
    return faults;
  });
}
