#include "CKernels.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define PRODUCT_LEVEL 0
#define TABLE ck_bf16_products_portable
#define INSTRUCTION_SET "portable"
#define HARDWARE_HALF 0

#include "bf16_products.h"
