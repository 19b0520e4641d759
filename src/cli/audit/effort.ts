/** What work cost. @property cores processor time of all threads over wall time @property megabytes most memory held */
export type Effort = Readonly<{ seconds: number; cores: number; megabytes: number }>;

/** Asked at the end of work, it says what that cost. */
export function effortFromNow(): () => Effort {
  const began = performance.now();
  const usage = process.cpuUsage();
  return () => {
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(usage);
    return { seconds, cores: (user + system) / 1e6 / seconds, megabytes: process.resourceUsage().maxRSS / 1024 };
  };
}
