/// Words of the `analyze` document for levels and sides. Internal.
#pragma once
#include <string_view>

#include "cogs/cog.h"

namespace rouage::results {

std::string_view level_word(cogs::Level level);
std::string_view side_word(cogs::Laterality side);
/// Errors: TableInvalid for another word.
cogs::Level level_of(std::string_view word);
cogs::Laterality side_of(std::string_view word);

}  // namespace rouage::results
