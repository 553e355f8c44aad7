import type { ChartFacts } from './interface.ts';
import { fieldsOf, itemsOf, textOf, textsOf } from './untrusted.ts';

/** Maintainers and dependencies that are shown. */
const MAX_NAMED = 100;

/** The Chart.yaml of a Helm chart, which is its config as JSON. */
export function chartOf(json: unknown): ChartFacts {
  const chart = fieldsOf(json);
  return {
    name: textOf(chart.name),
    version: textOf(chart.version),
    appVersion: textOf(chart.appVersion),
    description: textOf(chart.description),
    home: textOf(chart.home),
    icon: textOf(chart.icon),
    type: textOf(chart.type),
    kubeVersion: textOf(chart.kubeVersion),
    deprecated: chart.deprecated === true,
    keywords: textsOf(chart.keywords),
    sources: textsOf(chart.sources),
    maintainers: named(chart.maintainers, ({ name, email, url }) => ({ name, email: textOf(email), url: textOf(url) })),
    dependencies: named(chart.dependencies, ({ name, version, repository }) => ({
      name,
      version: textOf(version),
      repository: textOf(repository),
    })),
  };
}

function named<T>(value: unknown, read: (fields: Readonly<Record<string, unknown>> & { name: string }) => T): T[] {
  return itemsOf(value)
    .slice(0, MAX_NAMED)
    .flatMap((each) => {
      const fields = fieldsOf(each);
      const name = textOf(fields.name);
      return name === undefined ? [] : [read({ ...fields, name })];
    });
}
