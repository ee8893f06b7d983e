package config

// strongswanNames are settings of charon that strongSwan 6 documents and goswan has no use for. They are here so that none of
// them is taken for a typing error of one that it has.
var strongswanNames = []string{
	"accept_private_algs", "accept_unencrypted_mainmode_messages", "cert_cache", "cache_crls", "check_current_path", "cisco_flexvpn",
	"cisco_unity", "delete_rekeyed", "dh_exponent_ansi_x9_42", "dlopen_use_rtld_now", "dns1", "dns2", "flush_auth_cfg", "follow_redirects",
	"force_eap_only_authentication", "fragment_size_v4", "fragment_size_v6",
	"i_dont_care_about_security_and_use_aggressive_mode_psk", "ignore_routing_tables", "ignore_acquire_ts", "ikesa_table_segments",
	"ikesa_table_size", "init_limit_job_load", "integrity_test", "interfaces_ignore", "interfaces_use", "keep_alive_dpd_margin", "load",
	"load_modular", "max_packet", "multiple_authentication", "nbns1", "nbns2", "ocsp_nonce_len", "prefer_best_path", "prefer_previous_init",
	"prefer_temporary_addrs", "process_route", "rdn_matching", "receive_delay", "receive_delay_response", "receive_delay_request",
	"receive_delay_type", "reject_trusted_end_entity", "reqid_base", "rsa_pss_trailerfield", "send_delay", "send_delay_response",
	"send_delay_request", "send_delay_type", "send_vendor_id", "signature_authentication_constraints",
	"max_ikev1_exchanges", "prefer_configured_proposals", "inactivity_close_ike", "retry_initiate_interval",
	"user", "group", "spi_label", "spi_mask", "spi_min", "spi_max", "threads",
}
