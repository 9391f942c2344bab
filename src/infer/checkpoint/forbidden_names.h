/// Python names that no checkpoint of a net has a reason to hold.
#pragma once
#include <string_view>

namespace rouage::infer::checkpoint {

/// True for names that run programs, load code, open files or sockets, or reach such names (getattr, eval). It is no
/// sandbox, nothing is executed anyway: a file that holds such a name was made to attack somebody, and its weights are
/// not to be trusted.
bool forbidden_name(std::string_view module, std::string_view name);

}  // namespace rouage::infer::checkpoint
