// Draws the curves of a run (`npm run bench -- threads-curve cluster-nodes cluster-curve-… --json raw.json`) as SVG files for docs/scaling.md.
// Usage: bun bench/plot.ts <raw.json> <folder>
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const document = z.object({
  rows: z.array(z.object({ work: z.string(), details: z.record(z.string(), z.unknown()).optional() })),
});

interface Plot {
  file: string;
  work: string;
  title: string;
  x: string;
  y: string;
  /** Names of the measured values by their text in the legend. All of them are drawn in one plot. */
  lines: Record<string, string>;
}

const PLOTS: Plot[] = [
  {
    ...{ file: 'threads', work: 'threads-curve', title: 'Processor time of a read, all threads' },
    ...{ x: 'threads', y: 'microseconds', lines: { 'manifest by tag': 'get', 'HEAD of a blob': 'head' } },
  },
  {
    ...{ file: 'threads-pushes', work: 'threads-curve', title: 'Processor time of a small image, 32 clients' },
    ...{ x: 'threads', y: 'microseconds', lines: { 'all threads': 'push', 'the owner': 'pushOwner' } },
  },
  {
    ...{ file: 'nodes', work: 'cluster-nodes', title: 'GET of a manifest by tag, all nodes together' },
    ...{ x: 'nodes', y: 'requests/s', lines: { 'requests/s': 'rate' } },
  },
  {
    ...{ file: 'nodes-processor', work: 'cluster-nodes', title: 'Processor time of a GET of a manifest by tag' },
    ...{ x: 'nodes', y: 'microseconds', lines: { nodes: 'node', Redis: 'redis', client: 'client' } },
  },
  {
    ...{ file: 'nodes-slots', work: 'cluster-nodes', title: 'Slots for each image, 32 clients on one repository' },
    ...{ x: 'nodes', y: 'slots', lines: { slots: 'slots' } },
  },
  {
    ...{ file: 'tags', work: 'cluster-curve-tags', title: 'Processor time of a read (node and Redis)' },
    ...{ x: 'tags of the repository', y: 'microseconds' },
    lines: { 'manifest by tag': 'getProcessor', 'page of 100 tags': 'pageProcessor' },
  },
  {
    ...{ file: 'tags-touch', work: 'cluster-curve-tags', title: 'Processor time of a first touch after FLUSHALL' },
    ...{ x: 'tags of the repository', y: 'seconds' },
    lines: { node: 'touchNode', Redis: 'touchRedis', store: 'touchStore' },
  },
  {
    ...{ file: 'repositories', work: 'cluster-curve-repositories', title: 'Processor time of a read (node and Redis)' },
    ...{ x: 'repositories', y: 'microseconds' },
    lines: { 'manifest by tag, any repository': 'getProcessor', 'page of 100 of the catalog': 'catalogProcessor' },
  },
  {
    ...{ file: 'pushes', work: 'cluster-curve-pushes', title: 'Processor time of an image push into one repository' },
    ...{ x: 'clients', y: 'milliseconds', lines: { node: 'node', store: 'store', Redis: 'redis' } },
  },
  {
    ...{ file: 'pushes-requests', work: 'cluster-curve-pushes', title: 'Requests to S3 for each image' },
    ...{ x: 'clients', y: 'requests', lines: { PUT: 'puts', GET: 'gets' } },
  },
  {
    ...{ file: 'layers', work: 'cluster-curve-layers', title: 'Requests to S3 for one layer, sent as docker does' },
    ...{ x: 'MiB', y: 'requests', lines: { writes: 'patchWrites', reads: 'patchReads' } },
  },
];

const SIZE = { width: 640, height: 320, left: 80, right: 20, top: 60, bottom: 50 };
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37'];

type Points = readonly Record<string, number>[];

function draw({ title, x, y, lines }: Plot, points: Points): string {
  const { width, height, left, right, top, bottom } = SIZE;
  const names = Object.values(lines);
  const most = niceAbove(Math.max(...points.flatMap((point) => names.map((name) => point[name] ?? 0))));
  const across = (index: number): number =>
    left + ((width - left - right) * (index + 0.5)) / Math.max(1, points.length);
  const down = (value: number): number => height - bottom - ((height - top - bottom) * value) / most;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(width / 2, 20, title, 'middle', '#000000', 14),
    text((left + width - right) / 2, height - 10, x, 'middle'),
    `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${y}</text>`,
  ];
  for (let step = 0; step <= 4; step += 1) {
    const value = (most * step) / 4;
    const at = down(value);
    out.push(`<line x1="${left}" y1="${at}" x2="${width - right}" y2="${at}" stroke="#d0d7de"/>`);
    out.push(text(left - 8, at + 4, figure(value), 'end'));
  }
  for (const [index, point] of points.entries()) {
    out.push(text(across(index), height - bottom + 18, figure(point.x ?? 0), 'middle'));
  }
  for (const [index, [label, name]] of Object.entries(lines).entries()) {
    const colour = COLOURS[index % COLOURS.length] ?? '#000000';
    const places = points.map((point, n) => `${across(n).toFixed(1)},${down(point[name] ?? 0).toFixed(1)}`);
    out.push(`<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const place of places) out.push(`<circle cx="${place.replace(',', '" cy="')}" r="3.5" fill="${colour}"/>`);
    out.push(text(left + 190 * index, top - 16, label, 'start', colour));
  }
  return `${[...out, '</svg>'].join('\n')}\n`;
}

function text(x: number, y: number, words: string, anchor: string, colour = '#1f2328', size = 12): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${colour}" font-size="${size}">${words}</text>`;
}

/** The smallest of 1, 2, 4, 5, 8, 10 times a power of ten that is not below the value. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return power * ([1, 2, 4, 5, 8, 10].find((step) => step * power >= value) ?? 10);
}

function figure(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(2)));
}

const [raw, folder] = process.argv.slice(2);
if (raw === undefined || folder === undefined) throw new Error('usage: bun bench/plot.ts <raw.json> <folder>');
const { rows } = document.parse(JSON.parse(readFileSync(raw, 'utf8')));
mkdirSync(folder, { recursive: true });
for (const plot of PLOTS) {
  const points = rows.filter(({ work }) => work === plot.work).map(({ details }) => details as Record<string, number>);
  if (points.length > 0) writeFileSync(join(folder, `${plot.file}.svg`), draw(plot, points));
}
