#include "base/error.h"
#include "image/volume.h"

namespace rouage::image {
namespace {

/// For each wanted axis: which axis of the source it is, and whether it runs the other way.
struct Turn {
  std::array<std::size_t, 3> from{};
  std::array<bool, 3> flip{};
};

/// 0 x, 1 y, 2 z; 3 for a letter that is none of L P S R A I.
std::size_t patient_axis(char letter) {
  switch (letter) {
    case 'L':
    case 'R':
      return 0;
    case 'P':
    case 'A':
      return 1;
    case 'S':
    case 'I':
      return 2;
    default:
      return 3;
  }
}

Turn turn_to(const Grid& grid, const std::string& wanted) {
  const std::string is = grid.orientation();
  std::array<bool, 3> seen{};
  Turn turn;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t axis = wanted.size() == 3 ? patient_axis(wanted[a]) : 3;
    if (axis == 3 || seen[axis])
      throw Error(ErrorCode::VolumeInvalid, "\"" + wanted + "\" does not name three different axes")
          .remedy("name an orientation such as LPS or RAS");
    seen[axis] = true;
    while (patient_axis(is[turn.from[a]]) != axis) ++turn.from[a];
    turn.flip[a] = is[turn.from[a]] != wanted[a];
  }
  return turn;
}

Grid turned(const Grid& grid, const Turn& turn) {
  Grid out;
  out.origin_mm = grid.origin_mm;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t from = turn.from[a];
    out.size[a] = grid.size[from];
    const double sign = turn.flip[a] ? -1 : 1;
    for (std::size_t x = 0; x < 3; ++x) {
      out.step_mm[a][x] = sign * grid.step_mm[from][x] + 0.0;
      if (turn.flip[a]) out.origin_mm[x] += (grid.size[from] - 1.0) * grid.step_mm[from][x];
    }
  }
  return out;
}

template <class T>
Volume<T> turned(const Volume<T>& volume, const std::string& orientation) {
  const Turn turn = turn_to(volume.grid, orientation);
  Volume<T> out{turned(volume.grid, turn), std::vector<T>(volume.values.size()), volume.unit};
  const std::array<std::ptrdiff_t, 3> stride{1, static_cast<std::ptrdiff_t>(volume.grid.size[0]),
                                             static_cast<std::ptrdiff_t>(volume.grid.size[0]) * volume.grid.size[1]};
  std::array<std::ptrdiff_t, 3> step{};
  std::ptrdiff_t start = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    step[a] = stride[turn.from[a]] * (turn.flip[a] ? -1 : 1);
    if (turn.flip[a]) start += stride[turn.from[a]] * (static_cast<std::ptrdiff_t>(out.grid.size[a]) - 1);
  }
  auto to = out.values.begin();
  for (std::ptrdiff_t k = 0; k < out.grid.size[2]; ++k)
    for (std::ptrdiff_t j = 0; j < out.grid.size[1]; ++j) {
      std::ptrdiff_t from = start + k * step[2] + j * step[1];
      for (std::uint32_t i = 0; i < out.grid.size[0]; ++i, from += step[0])
        *to++ = volume.values[static_cast<std::size_t>(from)];
    }
  return out;
}

}  // namespace

Grid reoriented(const Grid& grid, const std::string& orientation) {
  return turned(grid, turn_to(grid, orientation));
}
Volume<float> reoriented(const Volume<float>& volume, const std::string& orientation) {
  return turned(volume, orientation);
}
LabelMap reoriented(const LabelMap& volume, const std::string& orientation) {
  return turned(volume, orientation);
}

}  // namespace rouage::image
