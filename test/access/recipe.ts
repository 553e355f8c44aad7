// The recipes of docs/access.md, with the test's own host, folders and issuers instead of those in the document.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../support/command.ts';
import { projectRoot, type Server, startServer, temporaryFolder } from '../support/server.ts';

/** Paths below these are in the folder of the test. */
const FOLDERS = ['/etc/', '/var/lib/'];
/** The first comment in a block is its name: the path of a file, or one of these. */
const SETTINGS = 'Settings';
const ON_THE_SERVER = 'On the server';
const ON_A_CLIENT = 'On a client';

interface Block {
  readonly name: string;
  readonly text: string;
}

const sections = readRecipes();

/** The headings of all recipes. */
export const titles: readonly string[] = [...sections.keys()];

function readRecipes(): Map<string, readonly Block[]> {
  const page = readFileSync(join(projectRoot, 'docs', 'access.md'), 'utf8');
  const [, recipes = ''] = page.split(/^## Recipes$/m);
  const [own = ''] = recipes.split(/^## /m);
  return new Map(
    own
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), blocksOf(section)]),
  );
}

function blocksOf(section: string): Block[] {
  const fenced = [...section.matchAll(/^```(?!console)\w+\n(.*?)^```$/gms)];
  return fenced.map(([, text = '']) => {
    const [, name] = /^# (.+)$/m.exec(text) ?? [];
    if (name === undefined) throw new Error(`no comment names this block:\n${text}`);
    return { name, text };
  });
}

/** One recipe, while a test follows it in a folder of its own. */
export class Recipe {
  readonly folder = temporaryFolder('recipe');
  readonly #blocks: readonly Block[];
  readonly #port: number;
  readonly #substitutions: Readonly<Record<string, string>>;
  readonly #env: Readonly<Record<string, string>>;

  /**
   * @param port by which clients reach `registry.example.com`
   * @param substitutions replaced beside that name and the folders; each must occur in the recipe
   * @param env for the commands
   */
  constructor(
    title: string,
    port: number,
    substitutions: Readonly<Record<string, string>>,
    env: Readonly<Record<string, string>>,
  ) {
    const blocks = sections.get(title);
    if (blocks === undefined) throw new Error(`docs/access.md has no recipe "${title}"`);
    for (const each of Object.keys(substitutions)) {
      if (!blocks.some(({ text }) => text.includes(each))) throw new Error(`"${title}" does not contain ${each}`);
    }
    this.#blocks = blocks;
    this.#port = port;
    this.#substitutions = substitutions;
    this.#env = { ...env, DOCKER_CONFIG: join(this.folder, 'docker') };
    for (const each of [...FOLDERS, '/etc/marina/']) mkdirSync(this.path(each), { recursive: true });
    for (const { name } of blocks.filter(({ name }) => name.startsWith('/'))) {
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), this.block(name));
    }
  }

  /** What clients call the registry. */
  get host(): string {
    return `localhost:${this.#port}`;
  }

  /** Where the test has a file that the recipe has at an absolute path. */
  path(name: string): string {
    return join(this.folder, name);
  }

  block(name: string): string {
    const found = this.#blocks.find((block) => block.name === name);
    if (found === undefined) throw new Error(`the recipe has no block that begins with "# ${name}"`);
    return this.#substituted(found.text);
  }

  #substituted(text: string): string {
    let result = text;
    for (const [from, to] of Object.entries(this.#substitutions)) result = result.replaceAll(from, to);
    result = result.replaceAll('registry.example.com', this.host);
    // Only where a path begins, not within one.
    for (const each of FOLDERS) result = result.replaceAll(new RegExp(`(?<![\\w./-])${each}`, 'g'), this.path(each));
    return result;
  }

  /** Starts the server with the settings of the recipe, where clients look for it. @param env further settings, or others */
  async startServer(env: Readonly<Record<string, string>> = {}): Promise<Server> {
    const lines = this.block(SETTINGS).matchAll(/^(\w+)=(.*)$/gm);
    const settings = Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
    return await startServer({ PORT: String(this.#port), ...settings, ...env });
  }

  async onServer(env: Readonly<Record<string, string>> = {}): Promise<string> {
    return await this.bash(this.block(ON_THE_SERVER), env);
  }

  async onClient(env: Readonly<Record<string, string>> = {}): Promise<string> {
    return await this.bash(this.block(ON_A_CLIENT), env);
  }

  /** Writes a file that the recipe has at an absolute path. @returns where the test has it */
  write(name: string, text: string): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** @throws Error if a command fails, with its output */
  async bash(script: string, env: Readonly<Record<string, string>> = {}, input?: string): Promise<string> {
    const command = ['bash', '-euo', 'pipefail', '-c', script];
    return await run(command, { env: { ...this.#env, ...env }, ...(input === undefined ? {} : { input }) });
  }
}
