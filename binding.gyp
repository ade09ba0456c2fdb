{
  "targets": [
    {
      "target_name": "prompt_attention",
      "sources": ["<!@(cat native/sources.txt)"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS_ALL", "NODE_ADDON_API_DISABLE_DEPRECATED",
                  "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++20", "-O3", "-fvisibility=hidden"],
      "libraries": ["-lopenblas", "-lhwy", "-lpthread"],
      "conditions": [["target_arch=='x64'", {"cflags_cc": ["-march=x86-64-v2"]}]]
    }
  ]
}
