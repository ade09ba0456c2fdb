import { OptionRangeError } from '../../base/errors.js';
import { list, read } from '../../cluster/index.js';
import type { WatchedStudy } from '../../explore/watch.js';

/** A study of a cluster, to be looked at. */
export function studyOfCluster(url: string, id: string): WatchedStudy {
  return {
    name: id,
    read: () => read({ url, id }),
    // Differences are of result files.
    differences: async () => [],
    async progress() {
      const studies = await list({ url });
      const found = studies.find((study) => study.id === id);
      if (found !== undefined) return found;
      throw new OptionRangeError(
        'files',
        `the id of a study of the cluster: ${studies.map((one) => one.id).join(', ')}`,
        id,
      );
    },
  };
}
