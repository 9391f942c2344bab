/// Values that every room shares: digests, derived identifiers, estimates, text.
///
///   Digest d = sha256("abc");  d.hex();                       // "ba7816bf..."
///   derived_uid({input_uid, package_digest, "sr"});           // "2.25.<decimal>", the same for the same parts
///   derived_id("finding", {input_uid, "Effusion"});           // "finding-1f0c9a2b7d3e4455"
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rouage {

using Bytes = std::vector<std::uint8_t>;

struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  std::string hex() const;        ///< 64 lower-case digits
  std::string short_hex() const;  ///< the first 16 digits: for file names, never for trust
  friend bool operator==(const Digest&, const Digest&) = default;
};

/// A running SHA-256 (FIPS 180-4, by OpenSSL), for what comes in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view text);
  Digest finish();  ///< once

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// SHA-256 of bytes that are all there. Pure, thread-safe.
Digest sha256(std::span<const std::uint8_t> bytes);
Digest sha256(std::string_view text);

/// SHA-256 of the parts, each preceded by its length, so that ("ab","c") and ("a","bc") differ.
Digest digest_of(std::span<const std::string> parts);

/// A UID under 2.25 (DICOM PS3.5 B.2) whose 128-bit number is taken from `digest_of(parts)`, marked as a UUID of
/// version 8 (RFC 9562: custom). The same parts give the same UID on every machine; at most 44 characters.
std::string derived_uid(std::span<const std::string> parts);
std::string derived_uid(std::initializer_list<std::string> parts);

/// "<kind>-<16 hex digits>", derived in the same way.
std::string derived_id(std::string_view kind, std::initializer_list<std::string> parts);

/// A figure with its two-sided interval.
struct Estimate {
  double value = 0, lower = 0, upper = 0;
  double level = 0.95;
};

/// Shortest decimal text that reads back as the same double; '.' whatever the locale. NaN -> "nan".
std::string number_text(double value);
/// Fixed decimals, '.' whatever the locale.
std::string fixed_text(double value, int decimals);
std::string lower_case(std::string_view ascii);
std::string_view trimmed(std::string_view text);  ///< without leading and trailing white space and NUL
std::vector<std::string> split(std::string_view text, char separator);
/// True when text is well-formed UTF-8 (no overlong forms, no surrogates).
bool valid_utf8(std::string_view text);

/// product = a * b * c..., or false when it does not fit 64 bits. Sizes that come from files go through this.
bool multiply_checked(std::initializer_list<std::uint64_t> factors, std::uint64_t& product);

}  // namespace rouage
