#include "stats/text_scores.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "stats/interval.h"

namespace rouage::stats {
namespace {

using Counts = std::map<std::string, double>;

bool digit(char c) {
  return c >= '0' && c <= '9';
}

bool letter(char c) {
  return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

Counts ngrams(const std::vector<std::string>& words, std::size_t n) {
  Counts counts;
  for (std::size_t start = 0; start + n <= words.size(); ++start) {
    std::string key;
    for (std::size_t i = 0; i < n; ++i) key += words[start + i] + '\n';
    counts[key] += 1;
  }
  return counts;
}

/// Length of the reference nearest to the candidate's.
double reference_length(const TextPair& pair) {
  const auto candidate = static_cast<double>(pair.candidate.size());
  double best = -1;
  for (const auto& reference : pair.references) {
    const auto length = static_cast<double>(reference.size());
    const double gap = std::abs(length - candidate), known = std::abs(best - candidate);
    if (best < 0 || gap < known || (gap == known && length < best)) best = length;
  }
  return best;
}

double brevity(double candidate, double reference) {
  return candidate >= reference ? 1 : std::exp(1 - reference / candidate);
}

std::size_t common_subsequence(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    std::size_t diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

constexpr std::size_t kCiderOrders = 4;
constexpr double kCiderSigma = 6;

/// tf-idf weights of one text at one order.
struct Weighted {
  Counts weights;
  double norm = 0;
};

Weighted weighted(const std::vector<std::string>& words, std::size_t n, const Counts& documents, double log_texts) {
  Weighted result{.weights = ngrams(words, n)};
  double squares = 0;
  for (auto& [key, weight] : result.weights) {
    const auto known = documents.find(key);
    weight *= log_texts - (known == documents.end() ? 0 : std::log(known->second));
    squares += weight * weight;
  }
  result.norm = std::sqrt(squares);
  return result;
}

double similarity(const Weighted& candidate, const Weighted& reference) {
  if (candidate.norm == 0 || reference.norm == 0) return 0;
  double sum = 0;
  for (const auto& [key, weight] : candidate.weights)
    if (const auto found = reference.weights.find(key); found != reference.weights.end())
      sum += std::min(weight, found->second) * found->second;
  return sum / (candidate.norm * reference.norm);
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool decimal =
        (c == '.' || c == ',') && i > 0 && i + 1 < text.size() && digit(text[i - 1]) && digit(text[i + 1]);
    if (letter(c) || decimal) {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

NgramMatches ngram_matches(const TextPair& pair, std::size_t n) {
  const Counts candidate = ngrams(pair.candidate, n);
  Counts best;
  for (const auto& reference : pair.references)
    for (const auto& [key, count] : ngrams(reference, n)) best[key] = std::max(best[key], count);
  NgramMatches matches;
  for (const auto& [key, count] : candidate) {
    matches.total += static_cast<std::size_t>(count);
    if (const auto found = best.find(key); found != best.end())
      matches.matched += static_cast<std::size_t>(std::min(count, found->second));
  }
  return matches;
}

std::optional<double> corpus_bleu(std::span<const TextPair> pairs, std::size_t order) {
  double logs = 0, candidate = 0, reference = 0;
  bool none = false;
  for (const TextPair& pair : pairs) {
    if (pair.references.empty()) return std::nullopt;
    candidate += static_cast<double>(pair.candidate.size());
    reference += reference_length(pair);
  }
  for (std::size_t n = 1; n <= order; ++n) {
    double matched = 0, total = 0;
    for (const TextPair& pair : pairs) {
      const NgramMatches matches = ngram_matches(pair, n);
      matched += static_cast<double>(matches.matched);
      total += static_cast<double>(matches.total);
    }
    if (total == 0) return std::nullopt;
    none = none || matched == 0;
    logs += std::log(matched / total);
  }
  if (order == 0) return std::nullopt;
  if (none) return 0.0;
  return brevity(candidate, reference) * std::exp(logs / static_cast<double>(order));
}

BleuInterval corpus_bleu_interval(std::span<const TextPair> pairs, std::size_t order, double level, std::uint64_t draws,
                                  const DrawOptions& options) {
  std::vector<double> drawn(draws, std::nan(""));
  if (!pairs.empty())
    bootstrap(draws, options, [&](std::uint64_t draw, Random& random) {
      std::vector<TextPair> sample;
      for (std::size_t i = 0; i < pairs.size(); ++i) sample.push_back(pairs[random.below(pairs.size())]);
      drawn[draw] = corpus_bleu(sample, order).value_or(std::nan(""));
    });
  const BootstrapInterval interval = percentile_interval(std::move(drawn), level);
  return {interval.lower, interval.upper, interval.why};
}

std::optional<double> sentence_bleu(const TextPair& pair, std::size_t order) {
  if (pair.candidate.empty() || pair.references.empty() || order == 0) return std::nullopt;
  double logs = 0;
  for (std::size_t n = 1; n <= order; ++n) {
    const NgramMatches matches = ngram_matches(pair, n);
    const double added = n > 1 ? 1 : 0;
    if (matches.matched == 0 && n == 1) return 0.0;
    logs += std::log((static_cast<double>(matches.matched) + added) / (static_cast<double>(matches.total) + added));
  }
  return brevity(static_cast<double>(pair.candidate.size()), reference_length(pair)) *
         std::exp(logs / static_cast<double>(order));
}

std::optional<double> rouge_l(const TextPair& pair, double beta) {
  std::optional<double> best;
  for (const auto& reference : pair.references) {
    if (reference.empty()) continue;
    const auto common = static_cast<double>(common_subsequence(pair.candidate, reference));
    double score = 0;
    if (common > 0) {
      const double precision = common / static_cast<double>(pair.candidate.size());
      const double recall = common / static_cast<double>(reference.size());
      score = (1 + beta * beta) * precision * recall / (recall + beta * beta * precision);
    }
    best = std::max(best.value_or(0), score);
  }
  return best;
}

std::vector<double> cider_d(std::span<const TextPair> pairs) {
  if (pairs.size() < 2) return {};
  const double log_texts = std::log(static_cast<double>(pairs.size()));
  std::vector<double> scores(pairs.size(), 0);
  for (std::size_t n = 1; n <= kCiderOrders; ++n) {
    Counts documents;
    for (const TextPair& pair : pairs) {
      std::set<std::string> seen;
      for (const auto& reference : pair.references)
        for (const auto& [key, count] : ngrams(reference, n)) seen.insert(key);
      for (const std::string& key : seen) documents[key] += 1;
    }
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const Weighted candidate = weighted(pairs[i].candidate, n, documents, log_texts);
      for (const auto& reference : pairs[i].references) {
        const double gap = static_cast<double>(pairs[i].candidate.size()) - static_cast<double>(reference.size());
        scores[i] += 10 * std::exp(-gap * gap / (2 * kCiderSigma * kCiderSigma)) *
                     similarity(candidate, weighted(reference, n, documents, log_texts)) /
                     static_cast<double>(pairs[i].references.size() * kCiderOrders);
      }
    }
  }
  return scores;
}

}  // namespace rouage::stats
