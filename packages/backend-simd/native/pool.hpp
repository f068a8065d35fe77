/**
 * Fork and join, as in assembly/threads.ts. A job is a task number, an argument block and a number
 * of tiles; threads claim tiles one by one.
 * One 64-bit word holds the generation and the next tile, so that a late worker can never claim a
 * tile of another job: its compare-and-swap fails when anything has changed. Results do not depend
 * on which thread computes a tile.
 */
#pragma once
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <chrono>
#include <vector>
#include "kernels.hpp"

namespace deepend {

/** Where WebAssembly's memory lies, and the threads' parts of it. */
struct Memory {
  char* base;
  size_t scratchStart, scratchBytes;
  int maxThreads;
};

class Pool {
 public:
  Pool(const Memory& memory, const Kernels& kernels) : kernels_(kernels) {
    for (int i = 0; i < memory.maxThreads; i++) {
      threads_.push_back(std::make_unique<Thread>());
      threads_[i]->base = memory.base;
      threads_[i]->scratch = memory.base + memory.scratchStart + i * memory.scratchBytes;
    }
  }
  ~Pool() { stop(); }

  /** @param count threads that compute, the calling one included */
  void setThreads(int count) {
    limit_.store(count);
    while (int(workers_.size()) < count - 1) {
      const int index = int(workers_.size()) + 1;
      workers_.emplace_back([this, index] { workerMain(index); });
    }
    wake();
  }

  enum class Outcome { done, timedOut };

  /**
   * Runs a job on all threads and returns when every tile is done, or when no tile has finished for
   * `timeoutMs`. A negative task is a fault for tests: workers hang until the pool stops.
   */
  Outcome launch(int task, const void* args, int tiles, int timeoutMs) {
    if (tiles <= 0) return Outcome::done;
    if (tiles == 1 || limit_.load(std::memory_order_relaxed) == 1) {
      for (int tile = 0; tile < tiles; tile++) run(task, args, tile, *threads_[0]);
      return Outcome::done;
    }
    cancel();
    tiles_.store(tiles);
    task_ = task;
    args_ = args;
    done_.store(0);
    word_.store(word_.load() & ~CLOSED);
    epoch_.fetch_add(1);
    if (sleepers_.load() > 0) wake();
    work(*threads_[0]);
    return join(tiles, timeoutMs);
  }

  /** Cancels the present job: tiles that no thread has claimed will not be computed. */
  void cancel() { word_.store((((word_.load() >> 32) + 1) << 32) | CLOSED); }

 private:
  /** As the next tile: there is nothing to claim. Every job has fewer tiles. */
  static constexpr int64_t CLOSED = 0x7fffffff;
  static constexpr int WORKER_SPINS = 4000, MAIN_SPINS = 20000;

  const Kernels& kernels_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<std::thread> workers_;
  alignas(64) std::atomic<int64_t> word_{CLOSED}; // generation << 32 | next tile
  alignas(64) std::atomic<int32_t> epoch_{0};     // grows with each job
  alignas(64) std::atomic<int32_t> done_{0};      // tiles finished in the present job
  alignas(64) std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> mainWaits_{false};
  std::atomic<int32_t> limit_{1}; // threads in use, the main one too
  std::atomic<int32_t> tiles_{0};
  std::atomic<bool> stopping_{false};
  int task_ = 0;
  const void* args_ = nullptr;
  std::mutex mutex_;
  std::condition_variable jobs_, finished_;

  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  void run(int task, const void* args, int tile, Thread& thread) {
    if (task >= 0) kernels_.runTile(task, args, tile, thread);
    else if (&thread == threads_[0].get()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    else
      while (!stopping_.load()) std::this_thread::yield();
  }

  /** Claims and runs tiles until none is left. */
  void work(Thread& thread) {
    for (;;) {
      int64_t word = word_.load();
      // The number of tiles may already be the next job's; then the word has changed as well, and
      // the swap fails.
      const int32_t next = int32_t(word & CLOSED), tiles = tiles_.load();
      if (next >= tiles) return;
      if (!word_.compare_exchange_strong(word, word + 1)) continue;
      // Task and arguments cannot change before this tile is counted as done.
      run(task_, args_, next, thread);
      if (done_.fetch_add(1) + 1 == tiles && mainWaits_.load()) {
        std::lock_guard<std::mutex> lock(mutex_);
        finished_.notify_one();
      }
    }
  }

  Outcome join(int tiles, int timeoutMs) {
    for (int spin = 0; spin < MAIN_SPINS; spin++) {
      if (done_.load() == tiles) return Outcome::done;
      pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    mainWaits_.store(true);
    Outcome outcome = Outcome::done;
    for (int last = -1; done_.load() != tiles;) {
      if (last == done_.load()) {
        outcome = Outcome::timedOut;
        break;
      }
      last = done_.load();
      finished_.wait_for(lock, std::chrono::milliseconds(timeoutMs),
                         [&] { return done_.load() == tiles; });
    }
    mainWaits_.store(false);
    return outcome;
  }

  /** A worker's loop: compute, spin a little, sleep until the next job. */
  void workerMain(int index) {
    Thread& thread = *threads_[index];
    while (!stopping_.load()) {
      const int32_t epoch = epoch_.load();
      const bool idle = index >= limit_.load();
      if (!idle) {
        work(thread);
        for (int spin = 0; spin < WORKER_SPINS && epoch_.load() == epoch; spin++) pause();
      }
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1);
      jobs_.wait(lock, [&] {
        if (stopping_.load()) return true;
        const bool wanted = index < limit_.load();
        return idle ? wanted : !wanted || epoch_.load() != epoch;
      });
      sleepers_.fetch_sub(1);
    }
  }

  void wake() {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.notify_all();
  }

  void stop() {
    stopping_.store(true);
    wake();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }
};

}  // namespace deepend
