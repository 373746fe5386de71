/** Prometheus text from the metrics as they stand, in the words of OpenTelemetry's exporter. */

import { type HrTime, ValueType } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';

import type { Family } from './family.ts';
import type { Cell } from './label-sets.ts';

/** Prometheus takes the time of the scrape, so points need none of their own. */
const noTime: HrTime = [0, 0];

/**
 * Of the SDK only the data model and the serialiser are used. Its instruments sort and serialise the labels
 * of every measurement, forget their bound on label sets with every scrape, and go on showing gauges that are
 * gone.
 */
export function exposition(service: string, version: string): (families: readonly Family[]) => string {
  const resource = resourceFromAttributes({ 'service.name': service, 'service.version': version });
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);
  return (families) => {
    const metrics = families.map(metricData).filter((metric) => metric.dataPoints.length > 0);
    return serializer.serialize({ resource, scopeMetrics: [{ scope: { name: 'cruvero' }, metrics }] });
  };
}

function metricData(family: Family): MetricData {
  const descriptor = { name: family.name, description: family.help, unit: '', valueType: ValueType.DOUBLE };
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  switch (family.kind) {
    case 'counter':
      return {
        descriptor,
        aggregationTemporality,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: points(family.cells, (value) => value),
      };
    case 'gauge':
      return {
        descriptor,
        aggregationTemporality,
        dataPointType: DataPointType.GAUGE,
        dataPoints: points(family.cells, (value) => value),
      };
    case 'histogram':
      return {
        descriptor,
        aggregationTemporality,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: points(family.cells, ({ counts, sum, count }) => ({
          buckets: { boundaries: [...family.buckets], counts },
          sum,
          count,
        })),
      };
  }
}

function points<V, P>(cells: Iterable<Cell<V>>, point: (value: V) => P) {
  return Array.from(cells, ({ labels, value }) => ({
    startTime: noTime,
    endTime: noTime,
    attributes: labels,
    value: point(value),
  }));
}
