# ONNX Runtime comes as the shared library that the npm package onnxruntime-node ships; scripts/install fetches and
# unpacks it (tarball checked by hash). Its C API is declared in src/infer/ort_api.h, so there is no header to find.
set(ROUAGE_ORT_DIR "${CMAKE_SOURCE_DIR}/build/onnxruntime" CACHE PATH "folder with libonnxruntime.so.1")
find_library(ORT_LIBRARY NAMES libonnxruntime.so.1 PATHS "${ROUAGE_ORT_DIR}" NO_DEFAULT_PATH)
if(NOT ORT_LIBRARY)
  message(FATAL_ERROR "libonnxruntime.so.1 is not in ${ROUAGE_ORT_DIR}: run scripts/install first")
endif()
