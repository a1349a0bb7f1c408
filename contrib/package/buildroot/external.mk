include $(sort $(wildcard $(BR2_EXTERNAL_NSPAWN_LITE_PATH)/package/*/*.mk))
