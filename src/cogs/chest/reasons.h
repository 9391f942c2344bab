/// Why a film is refused: stable codes with an English text. The page's catalogues hold both languages under
/// "reason.<code>".
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cogs/cog.h"

namespace rouage::cogs::chest {

/// Every code that this cog may give, in the order in which they are looked for.
const std::vector<std::string>& reason_codes();
/// `detail` is added in brackets. Errors: Internal for an unknown code.
Ineligibility reason(const std::string& code, const std::string& detail = {}, std::optional<double> probability = {});

}  // namespace rouage::cogs::chest
