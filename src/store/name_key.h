/// Person names as they are compared: without case and accents (PS3.4 C.2.2.2.1 leaves both to the implementation).
#pragma once
#include <string>
#include <string_view>

namespace rouage::store {

/// "Lévy^René ^^" -> "levy^rene". UTF-8; letters without a Latin base stay as they are (Greek and Cyrillic capitals
/// become small).
std::string name_key(std::string_view utf8);

}  // namespace rouage::store
