// Stress of the worker pool without Node, to be built with ThreadSanitizer: jobs of many units and of parts,
// cancelled at any moment, that throw or not, in pools that are stopped while they work. Every job must be
// handed over exactly once, with every unit run exactly once unless it was cancelled or threw.
#include <cstdio>
#include <cstdlib>
#include <random>

#include "addon/runtime/crew.h"
#include "addon/runtime/worker_pool.h"

using namespace prompt_attention;

namespace {

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

class CountingJob final : public Job {
 public:
  CountingJob(uint64_t count, int threads, int parts, bool throws) : parts_(parts), throws_(throws) {
    units = count;
    maximumThreads = threads;
    partThreads = threads;
  }
  void run(uint64_t unit, Workspace& workspace) override {
    if (throws_ && unit == units / 2) throw std::runtime_error("planned");
    workspace.canvas.noise.assign(16, static_cast<double>(unit));
    std::vector<int> done(parts_);
    std::vector<int> byWorker(partThreads);
    Crew crew(pool(), partThreads);
    crew.run(parts_, [&](int part, int worker) {
      ++done[part];
      byWorker[worker] += part;
    });
    int total = 0;
    for (int part = 0; part < parts_; ++part) expect(done[part] == 1, "a part did not run once");
    for (const int sum : byWorker) total += sum;
    expect(total == parts_ * (parts_ - 1) / 2, "a worker's sum is wrong");
    ran.fetch_add(1);
  }
  bool throws() const { return throws_; }

  std::atomic<uint64_t> ran{0};
  std::atomic<int> finished{0};

 private:
  const int parts_;
  const bool throws_;
};

void round(std::mt19937& random) {
  const auto upTo = [&](unsigned most) { return static_cast<int>(random() % (most + 1)); };
  std::vector<std::shared_ptr<CountingJob>> jobs;
  {
    WorkerPool pool([](std::shared_ptr<Job> job) { ++static_cast<CountingJob&>(*job).finished; });
    for (int i = upTo(12); i >= 0; --i) {
      jobs.push_back(std::make_shared<CountingJob>(1 + upTo(200), 1 + upTo(5), 1 + upTo(20), upTo(9) == 0));
      pool.submit(jobs.back());
      if (upTo(3) == 0) std::this_thread::sleep_for(std::chrono::microseconds(upTo(300)));
      if (upTo(4) == 0) pool.cancel(*jobs[upTo(static_cast<unsigned>(jobs.size()) - 1)]);
    }
    if (upTo(2) > 0)
      for (const auto& job : jobs)
        while (job->finished == 0) std::this_thread::yield();
  }
  for (const auto& job : jobs) {
    expect(job->finished == 1, "a job was not handed over once");
    if (!job->cancelled)
      expect(job->ran == job->units && job->completed == job->units, "a unit did not run once");
    if (job->failure) expect(job->throws(), "a job failed without reason");
  }
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 300;
  std::mt19937 random(7);
  for (int i = 0; i < rounds; ++i) round(random);
  std::printf("%d pools\n", rounds);
}
