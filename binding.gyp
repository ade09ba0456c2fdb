{
  "target_defaults": {
    "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL", "NODE_ADDON_API_DISABLE_DEPRECATED",
                "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden"],
    "conditions": [["target_arch=='x64'", {"cflags_cc": ["-march=x86-64-v2"]}]]
  },
  "targets": [
    {
      # Its error terms are those of separate operations.
      "target_name": "double_double",
      "type": "static_library",
      "sources": ["native/core/base/double_double.cpp"],
      "cflags_cc": ["-ffp-contract=off"]
    },
    {
      "target_name": "prompt_attention",
      "dependencies": ["double_double"],
      "sources": ["<!@(grep -v double_double native/sources.txt)"],
      "libraries": ["-lopenblas", "-lhwy", "-lpthread"]
    }
  ]
}
