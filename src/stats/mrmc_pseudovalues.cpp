/// Dorfman, Berbaum and Metz: analysis of variance of jackknife pseudovalues.
#include <cmath>
#include <numeric>

#include "stats/mrmc.h"

namespace rouage::stats {
namespace {

/// Pseudovalues of a block of cells (all, one arm, one reader), [row][column][case], rows and columns any of the two.
struct Block {
  std::size_t rows = 0, columns = 0, cases = 0;
  std::vector<const double*> cell;  ///< [row][column]
};

struct BlockSquares {
  double rows = 0, columns = 0, cases = 0, both = 0, row_case = 0, column_case = 0, rest = 0;
};

double square(double x) {
  return x * x;
}

BlockSquares squares_of(const Block& b) {
  const auto t = static_cast<double>(b.rows), r = static_cast<double>(b.columns), c = static_cast<double>(b.cases);
  std::vector<double> case_mean(b.cases), row_mean(b.rows), column_mean(b.columns), cell_mean(b.rows * b.columns);
  std::vector<double> row_case(b.rows * b.cases), column_case(b.columns * b.cases);
  double mean = 0;
  for (std::size_t i = 0; i < b.rows; ++i)
    for (std::size_t j = 0; j < b.columns; ++j)
      for (std::size_t k = 0; k < b.cases; ++k) {
        const double y = b.cell[i * b.columns + j][k];
        mean += y / (t * r * c);
        case_mean[k] += y / (t * r);
        row_mean[i] += y / (r * c);
        column_mean[j] += y / (t * c);
        cell_mean[i * b.columns + j] += y / c;
        row_case[i * b.cases + k] += y / r;
        column_case[j * b.cases + k] += y / t;
      }
  BlockSquares s;
  for (std::size_t i = 0; i < b.rows; ++i) s.rows += r * c * square(row_mean[i] - mean) / (t - 1);
  for (std::size_t j = 0; j < b.columns; ++j) s.columns += t * c * square(column_mean[j] - mean) / (r - 1);
  for (std::size_t k = 0; k < b.cases; ++k) {
    s.cases += t * r * square(case_mean[k] - mean) / (c - 1);
    for (std::size_t i = 0; i < b.rows; ++i)
      s.row_case += r * square(row_case[i * b.cases + k] - row_mean[i] - case_mean[k] + mean) / ((t - 1) * (c - 1));
    for (std::size_t j = 0; j < b.columns; ++j)
      s.column_case +=
          t * square(column_case[j * b.cases + k] - column_mean[j] - case_mean[k] + mean) / ((r - 1) * (c - 1));
  }
  for (std::size_t i = 0; i < b.rows; ++i)
    for (std::size_t j = 0; j < b.columns; ++j) {
      const double cell = cell_mean[i * b.columns + j];
      s.both += c * square(cell - row_mean[i] - column_mean[j] + mean) / ((t - 1) * (r - 1));
      for (std::size_t k = 0; k < b.cases; ++k)
        s.rest += square(b.cell[i * b.columns + j][k] - cell - row_case[i * b.cases + k] -
                         column_case[j * b.cases + k] + row_mean[i] + column_mean[j] + case_mean[k] - mean) /
                  ((t - 1) * (r - 1) * (c - 1));
    }
  return s;
}

std::vector<double> pseudovalues_of(const CellFigure& cell, const CaseScope& scope) {
  std::vector<double> y;
  if (scope.empty()) y = cell.left_out;
  for (const std::uint32_t k : scope) y.push_back(cell.left_out[k]);
  const auto n = static_cast<double>(y.size());
  double mean = 0;
  for (double& x : y) {
    x = n * cell.value - (n - 1) * x;
    mean += x / n;
  }
  for (double& x : y) x += cell.value - mean;
  return y;
}

}  // namespace

PseudovalueAnova pseudovalue_anova(std::uint32_t arms, std::uint32_t readers, std::span<const CellFigure> cells,
                                   const CaseScope& scope) {
  std::vector<std::vector<double>> values;
  for (const CellFigure& cell : cells) values.push_back(pseudovalues_of(cell, scope));
  const std::size_t cases = values.at(0).size();
  Block whole{.rows = arms, .columns = readers, .cases = cases, .cell = {}};
  for (const auto& y : values) whole.cell.push_back(y.data());
  const BlockSquares s = squares_of(whole);
  PseudovalueAnova a{.ms_t = s.rows, .ms_r = s.columns, .ms_c = s.cases, .ms_tr = s.both, .ms_tc = s.row_case};
  a.ms_rc = s.column_case;
  a.ms_trc = s.rest;
  a.cases = static_cast<std::uint32_t>(cases);
  const double t = arms, r = readers, c = a.cases;
  a.var_r = (a.ms_r - a.ms_tr - a.ms_rc + a.ms_trc) / (t * c);
  a.var_c = (a.ms_c - a.ms_tc - a.ms_rc + a.ms_trc) / (t * r);
  a.var_tr = (a.ms_tr - a.ms_trc) / c;
  a.var_tc = (a.ms_tc - a.ms_trc) / r;
  a.var_rc = (a.ms_rc - a.ms_trc) / t;
  a.var_error = a.ms_trc;
  for (std::uint32_t i = 0; i < arms; ++i) {
    Block arm{.rows = 1, .columns = readers, .cases = cases, .cell = {}};
    for (std::uint32_t j = 0; j < readers; ++j) arm.cell.push_back(values[std::size_t{i} * readers + j].data());
    const BlockSquares within = squares_of(arm);
    a.arm_ms_r.push_back(within.columns);
    a.arm_ms_c.push_back(within.cases);
    a.arm_ms_rc.push_back(within.column_case);
  }
  for (std::uint32_t j = 0; j < readers; ++j) {
    Block reader{.rows = arms, .columns = 1, .cases = cases, .cell = {}};
    for (std::uint32_t i = 0; i < arms; ++i) reader.cell.push_back(values[std::size_t{i} * readers + j].data());
    const BlockSquares within = squares_of(reader);
    a.reader_ms_t.push_back(within.rows);
    a.reader_ms_c.push_back(within.cases);
    a.reader_ms_tc.push_back(within.row_case);
  }
  return a;
}

}  // namespace rouage::stats
