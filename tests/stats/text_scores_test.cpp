#include <gtest/gtest.h>

#include <cmath>

#include "stats/text_scores.h"

namespace rouage::stats {
namespace {

TextPair pair_of(const char* candidate, std::vector<const char*> references) {
  TextPair pair{.candidate = words_of(candidate)};
  for (const char* reference : references) pair.references.push_back(words_of(reference));
  return pair;
}

/// The examples of Papineni et al. (2002), section 2.1.
TEST(Bleu, PublishedExamplesOfModifiedPrecision) {
  const std::vector<const char*> references{
      "It is a guide to action that ensures that the military will forever heed Party commands.",
      "It is the guiding principle which guarantees the military forces always being under the command of the Party.",
      "It is the practical guide for the army always to heed the directions of the party."};
  const TextPair good = pair_of(
      "It is a guide to action which ensures that the military always obeys the commands of the party.", references);
  EXPECT_EQ(ngram_matches(good, 1).matched, 17U);
  EXPECT_EQ(ngram_matches(good, 1).total, 18U);
  EXPECT_EQ(ngram_matches(good, 2).matched, 10U);
  EXPECT_EQ(ngram_matches(good, 2).total, 17U);
  const TextPair poor =
      pair_of("It is to insure the troops forever hearing the activity guidebook that party direct.", references);
  EXPECT_EQ(ngram_matches(poor, 1).matched, 8U);
  EXPECT_EQ(ngram_matches(poor, 1).total, 14U);
  EXPECT_EQ(ngram_matches(poor, 2).matched, 1U);
  const TextPair the = pair_of("the the the the the the the", {"The cat is on the mat.", "There is a cat on the mat."});
  EXPECT_EQ(ngram_matches(the, 1).matched, 2U);
  EXPECT_EQ(ngram_matches(the, 2).matched, 0U);
}

TEST(Bleu, OfACorpusSumsBeforeItDivides) {
  const std::vector<TextPair> pairs{pair_of("a b", {"a b c"}), pair_of("c d e f", {"c d e f"})};
  // Unigrams 6/6, bigrams 4/4, lengths 6 against 7.
  EXPECT_NEAR(*corpus_bleu(pairs, 2), std::exp(1 - 7.0 / 6), 1e-15);
  const std::vector<TextPair> none{pair_of("x y", {"a b"})};
  EXPECT_EQ(*corpus_bleu(none, 1), 0);
  EXPECT_FALSE(corpus_bleu(none, 3));  // no trigram in two words
  // One text: unigrams 2/3, bigrams (1+1)/(2+1), equal lengths.
  EXPECT_NEAR(*sentence_bleu(pair_of("a b x", {"a b c"}), 2), std::sqrt(2.0 / 3 * 2.0 / 3), 1e-15);
  EXPECT_FALSE(sentence_bleu(pair_of("", {"a"}), 4));
}

/// The example of Lin (2004), section 3.1: S2 scores 3/4, S3 2/4.
TEST(RougeL, PublishedExample) {
  EXPECT_NEAR(*rouge_l(pair_of("police kill the gunman", {"police killed the gunman"}), 1), 0.75, 1e-15);
  EXPECT_NEAR(*rouge_l(pair_of("the gunman kill police", {"police killed the gunman"}), 1), 0.5, 1e-15);
  EXPECT_EQ(*rouge_l(pair_of("", {"police"}), 1), 0);
  EXPECT_FALSE(rouge_l(pair_of("police", {""}), 1));
}

TEST(CiderD, OfEqualTextsIsTenAndByHand) {
  const std::vector<TextPair> same{pair_of("a b c d e", {"a b c d e"}), pair_of("f g h i j", {"f g h i j"})};
  for (const double score : cider_d(same)) EXPECT_NEAR(score, 10, 1e-12);
  // "a b" against "a c": no word in both texts' references, so all idf are log 2; one of two words agrees at order 1,
  // nothing at order 2, and there are no orders 3 and 4: 10 * 0.5 / 4.
  const std::vector<TextPair> half{pair_of("a b", {"a c"}), pair_of("d e", {"d e"})};
  EXPECT_NEAR(cider_d(half)[0], 10 * 0.5 / 4, 1e-12);
  // Repeating a word is clipped: "a a" has weight 2 log 2 against log 2 and norm sqrt(2) log 2 of "a c".
  const std::vector<TextPair> repeat{pair_of("a a", {"a c"}), pair_of("d e", {"d e"})};
  EXPECT_NEAR(cider_d(repeat)[0], 10 / (2 * std::sqrt(2.0)) / 4, 1e-12);
  // Two words longer: exp(-4 / 72).
  const std::vector<TextPair> longer{pair_of("a x y", {"a"}), pair_of("d e", {"d e"})};
  EXPECT_NEAR(cider_d(longer)[0], 10 * std::exp(-4.0 / 72) / std::sqrt(3.0) / 4, 1e-12);
  EXPECT_TRUE(cider_d({same.data(), 1}).empty());
}

TEST(Words, KeepNumbersAndAccents) {
  EXPECT_EQ(words_of("Épanchement, 1,5 cm; 2.0-cm (No.)"),
            (std::vector<std::string>{"Épanchement", "1,5", "cm", "2.0", "cm", "no"}));
}

}  // namespace
}  // namespace rouage::stats
