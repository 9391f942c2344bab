/// How near is a text to reference texts: BLEU, ROUGE-L, CIDEr-D.
///
///   TextPair pair{.candidate = words_of("No effusion."), .references = {words_of("There is no effusion.")}};
///   corpus_bleu({&pair, 1}, 4);  sentence_bleu(pair, 4);  rouge_l(pair, 1.0);  cider_d(pairs);
///
/// These scores count words: they say how alike two texts are, not whether a report is right.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stats/random.h"

namespace rouage::stats {

struct TextPair {
  std::vector<std::string> candidate{};
  std::vector<std::vector<std::string>> references{};
};

/// Words in ASCII lower case: runs of letters, digits and bytes beyond ASCII (UTF-8 letters keep their case); a point
/// or comma between two digits stays in the number. All else separates.
std::vector<std::string> words_of(std::string_view text);

/// Clipped n-grams of the candidate found in its references, and all n-grams of it (Papineni 2002).
struct NgramMatches {
  std::size_t matched = 0, total = 0;
};
NgramMatches ngram_matches(const TextPair& pair, std::size_t n);

/// BLEU of a corpus (Papineni 2002): sums before quotients, closest reference length (the shorter of two equally near),
/// no smoothing: 0 where an order matches nothing. Absent where the candidates hold no n-gram of that order.
std::optional<double> corpus_bleu(std::span<const TextPair> pairs, std::size_t order);
/// Percentile bootstrap of corpus_bleu over texts; absent ends where fewer than half of the draws have a value.
struct BleuInterval {
  std::optional<double> lower{}, upper{};
  std::string why{};
};
BleuInterval corpus_bleu_interval(std::span<const TextPair> pairs, std::size_t order, double level, std::uint64_t draws,
                                  const DrawOptions& options);
/// BLEU of one text, one added to matches and totals of orders above 1 (Lin and Och 2004).
std::optional<double> sentence_bleu(const TextPair& pair, std::size_t order);
/// Longest common subsequence, F with weight beta of recall, the best reference (Lin 2004). Absent without words.
std::optional<double> rouge_l(const TextPair& pair, double beta);
/// CIDEr-D (Vedantam 2015): orders 1 to 4, idf from the references of all texts, clipped counts, Gaussian length
/// penalty of sigma 6, times 10; no stemming. One a text; empty where fewer than two texts give an idf.
std::vector<double> cider_d(std::span<const TextPair> pairs);

}  // namespace rouage::stats
