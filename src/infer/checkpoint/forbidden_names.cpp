#include "infer/checkpoint/forbidden_names.h"

#include <array>

namespace rouage::infer::checkpoint {
namespace {

/// Modules whose every name is forbidden, with what lies below them.
constexpr std::array<std::string_view, 47> kModules{"os",
                                                    "posix",
                                                    "posixpath",
                                                    "nt",
                                                    "ntpath",
                                                    "subprocess",
                                                    "sys",
                                                    "commands",
                                                    "popen2",
                                                    "shutil",
                                                    "socket",
                                                    "importlib",
                                                    "imp",
                                                    "runpy",
                                                    "pty",
                                                    "ctypes",
                                                    "cffi",
                                                    "pickle",
                                                    "_pickle",
                                                    "cPickle",
                                                    "dill",
                                                    "joblib",
                                                    "marshal",
                                                    "code",
                                                    "codeop",
                                                    "webbrowser",
                                                    "pip",
                                                    "requests",
                                                    "urllib",
                                                    "urllib2",
                                                    "http",
                                                    "ftplib",
                                                    "smtplib",
                                                    "telnetlib",
                                                    "asyncio",
                                                    "signal",
                                                    "multiprocessing",
                                                    "threading",
                                                    "tempfile",
                                                    "operator",
                                                    "_operator",
                                                    "pydoc",
                                                    "timeit",
                                                    "bdb",
                                                    "pdb",
                                                    "inspect",
                                                    "pkgutil"};
constexpr std::array<std::string_view, 8> kBelowTorch{"torch.hub",         "torch.jit",
                                                      "torch.package",     "torch.serialization",
                                                      "torch.fx",          "torch.multiprocessing",
                                                      "torch.distributed", "torch.utils.cpp_extension"};
/// What may stand there of the builtin names: the types of data.
constexpr std::array<std::string_view, 15> kBuiltins{"set",  "frozenset", "bytes", "bytearray", "complex",
                                                     "int",  "float",     "bool",  "str",       "list",
                                                     "dict", "tuple",     "slice", "range",     "object"};

bool is_or_below(std::string_view module, std::string_view parent) {
  return module.starts_with(parent) && (module.size() == parent.size() || module[parent.size()] == '.');
}

}  // namespace

bool forbidden_name(std::string_view module, std::string_view name) {
  if (module == "builtins" || module == "__builtin__") {
    for (const std::string_view allowed : kBuiltins)
      if (name == allowed) return false;
    return true;
  }
  if (module == "_codecs" || module == "codecs") return name != "encode";
  if (module == "torch") return name == "load" || name == "compile";
  for (const std::string_view parent : kModules)
    if (is_or_below(module, parent)) return true;
  for (const std::string_view parent : kBelowTorch)
    if (is_or_below(module, parent)) return true;
  return false;
}

}  // namespace rouage::infer::checkpoint
