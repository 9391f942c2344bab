#include "image/shapes/runs.h"

#include <cstring>

#include "image/shapes/lattice.h"

namespace rouage::image {
namespace {

std::uint32_t next_unset(const std::uint8_t* row, std::uint32_t from, std::uint32_t n) {
  const void* found = from < n ? std::memchr(row + from, 0, n - from) : nullptr;
  return found ? static_cast<std::uint32_t>(static_cast<const std::uint8_t*>(found) - row) : n;
}

std::uint32_t next_set(const std::uint8_t* row, std::uint32_t from, std::uint32_t n) {
  for (; from + 8 <= n; from += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, row + from, 8);
    if (eight != 0) break;
  }
  while (from < n && !row[from]) ++from;
  return from;
}

/// Runs of the slices [begin, end); counts[row] is how many a row has.
std::vector<Run> slice_runs(const Mask& mask, Voxels which, std::size_t begin, std::size_t end,
                            std::vector<std::size_t>& counts) {
  const std::uint32_t ni = mask.grid.size[0], nj = mask.grid.size[1];
  std::vector<Run> runs;
  for (std::size_t row = begin * nj; row < end * nj; ++row) {
    const std::uint8_t* values = mask.values.data() + row * ni;
    const std::size_t before = runs.size();
    std::uint32_t i = 0;
    while (true) {
      i = which == Voxels::set ? next_set(values, i, ni) : next_unset(values, i, ni);
      if (i >= ni) break;
      const std::uint32_t stop = which == Voxels::set ? next_unset(values, i, ni) : next_set(values, i, ni);
      runs.push_back({i, stop});
      i = stop;
    }
    counts[row + 1] = runs.size() - before;
  }
  return runs;
}

void extract(const Mask& mask, Voxels which, int threads, RunMap& map) {
  const std::size_t nk = mask.grid.size[2], rows = nk * mask.grid.size[1];
  map.row_start.assign(rows + 1, 0);
  const std::size_t parts =
      std::clamp<std::size_t>(threads < 1 ? 1 : static_cast<std::size_t>(threads), 1, std::max<std::size_t>(nk, 1));
  std::vector<std::vector<Run>> found(parts);
  in_parts(parts, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p)
      found[p] = slice_runs(mask, which, nk * p / parts, nk * (p + 1) / parts, map.row_start);
  });
  for (std::size_t row = 0; row < rows; ++row) map.row_start[row + 1] += map.row_start[row];
  map.runs = std::move(found[0]);
  map.runs.reserve(map.row_start[rows]);
  for (std::size_t p = 1; p < parts; ++p) map.runs.insert(map.runs.end(), found[p].begin(), found[p].end());
}

/// Union-find whose roots are the smallest run of each set.
class Joined {
 public:
  explicit Joined(std::size_t n) : parent_(n) {
    for (std::size_t r = 0; r < n; ++r) parent_[r] = static_cast<std::uint32_t>(r);
  }
  std::uint32_t root(std::uint32_t r) {
    while (parent_[r] != r) {
      parent_[r] = parent_[parent_[r]];
      r = parent_[r];
    }
    return r;
  }
  void join(std::uint32_t a, std::uint32_t b) {
    a = root(a);
    b = root(b);
    if (a < b) parent_[b] = a;
    if (b < a) parent_[a] = b;
  }
  /// Each run's set, numbered from 0 by their smallest runs. The parents are used up.
  std::vector<std::uint32_t> numbered(std::uint32_t& sets) {
    sets = 0;
    for (std::uint32_t r = 0; r < parent_.size(); ++r)  // a parent is smaller, hence numbered already
      parent_[r] = parent_[r] == r ? sets++ : parent_[parent_[r]];
    return std::move(parent_);
  }

 private:
  std::vector<std::uint32_t> parent_;
};

/// reach 1: runs that touch by a corner of the row pair also join.
void join_rows(const RunMap& map, Joined& joined, std::size_t row, std::size_t other, std::uint32_t reach) {
  std::size_t a = map.row_start[row], b = map.row_start[other];
  const std::size_t a_end = map.row_start[row + 1], b_end = map.row_start[other + 1];
  while (a < a_end && b < b_end) {
    const Run &x = map.runs[a], &y = map.runs[b];
    if (x.begin < y.end + reach && y.begin < x.end + reach)
      joined.join(static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b));
    if (x.end < y.end)
      ++a;
    else
      ++b;
  }
}

}  // namespace

RunMap labelled_runs(const Mask& mask, Voxels which, Connectivity connectivity, bool across_slices, int threads) {
  check_volume(mask);
  RunMap map;
  map.size = mask.grid.size;
  extract(mask, which, threads, map);
  Joined joined(map.runs.size());
  const std::size_t nj = map.size[1], nk = map.size[2];
  const std::uint32_t in_plane = connectivity != Connectivity::faces, next_slice = in_plane;
  const std::uint32_t diagonal = connectivity == Connectivity::corners;
  for (std::size_t k = 0; k < nk; ++k)
    for (std::size_t j = 0; j < nj; ++j) {
      const std::size_t row = k * nj + j;
      if (map.row_start[row] == map.row_start[row + 1]) continue;
      if (j > 0) join_rows(map, joined, row, row - 1, in_plane);
      if (k == 0 || !across_slices) continue;
      join_rows(map, joined, row, row - nj, next_slice);
      if (connectivity == Connectivity::faces) continue;
      if (j > 0) join_rows(map, joined, row, row - nj - 1, diagonal);
      if (j + 1 < nj) join_rows(map, joined, row, row - nj + 1, diagonal);
    }
  map.component = joined.numbered(map.components);
  return map;
}

std::vector<Component> measured(const RunMap& map) {
  std::vector<Component> list(map.components);
  std::vector<std::array<double, 3>> sums(map.components);
  const std::size_t ni = map.size[0], nj = map.size[1];
  for (std::size_t row = 0; row + 1 < map.row_start.size(); ++row)
    for (std::size_t r = map.row_start[row]; r < map.row_start[row + 1]; ++r) {
      const Run& run = map.runs[r];
      const auto j = static_cast<std::uint32_t>(row % nj), k = static_cast<std::uint32_t>(row / nj);
      Component& c = list[map.component[r]];
      if (c.voxels == 0) {
        c.first_voxel = row * ni + run.begin;
        c.box = {{run.begin, j, k}, {run.end - 1, j, k}};
      }
      const std::uint32_t length = run.end - run.begin;
      c.voxels += length;
      c.box.first = {std::min(c.box.first[0], run.begin), std::min(c.box.first[1], j), c.box.first[2]};
      c.box.last = {std::max(c.box.last[0], run.end - 1), std::max(c.box.last[1], j), k};
      auto& sum = sums[map.component[r]];
      sum[0] += length * 0.5 * (static_cast<double>(run.begin) + static_cast<double>(run.end - 1));
      sum[1] += static_cast<double>(length) * j;
      sum[2] += static_cast<double>(length) * k;
    }
  for (std::size_t c = 0; c < list.size(); ++c)
    for (std::size_t a = 0; a < 3; ++a) list[c].centroid[a] = sums[c][a] / static_cast<double>(list[c].voxels);
  return list;
}

void paint(const RunMap& map, const std::vector<bool>& chosen, std::uint8_t value, std::vector<std::uint8_t>& voxels) {
  const std::size_t ni = map.size[0];
  for (std::size_t row = 0; row + 1 < map.row_start.size(); ++row)
    for (std::size_t r = map.row_start[row]; r < map.row_start[row + 1]; ++r)
      if (chosen[map.component[r]])
        std::memset(voxels.data() + row * ni + map.runs[r].begin, value, map.runs[r].end - map.runs[r].begin);
}

}  // namespace rouage::image
