# Warnings, sanitizers, ccache: the same for every target of ours.
find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers and ccache agree only with these three liberties.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;CCACHE_BASEDIR=${CMAKE_SOURCE_DIR};CCACHE_NOHASHDIR=1;${CCACHE}")
endif()

add_library(rouage_options INTERFACE)
target_compile_features(rouage_options INTERFACE cxx_std_20)
target_compile_options(rouage_options INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-align
                                                -Woverloaded-virtual -Wconversion -Wno-sign-conversion -Wdouble-promotion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -fpch-preprocess: ccache needs it with precompiled headers. The three silenced warnings are false alarms of g++ 12's
  # inliner on std::string concatenation (GCC bug 105651).
  target_compile_options(rouage_options INTERFACE -fpch-preprocess -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(ROUAGE_SANITIZE)
  target_compile_options(rouage_options INTERFACE -fsanitize=${ROUAGE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(rouage_options INTERFACE -fsanitize=${ROUAGE_SANITIZE})
endif()
