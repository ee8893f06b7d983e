package wire

import "strconv"

// NotifyType is the Notify Message Type (RFC 7296 §3.10.1 and IANA): errors below 16384, status from there on.
type NotifyType uint16

// Errors. Without an RFC: RFC 7296 §3.10.1.
const (
	UnsupportedCriticalPayload NotifyType = 1
	InvalidIKESPI              NotifyType = 4
	InvalidMajorVersion        NotifyType = 5
	InvalidSyntax              NotifyType = 7
	InvalidMessageID           NotifyType = 9
	InvalidSPI                 NotifyType = 11
	NoProposalChosen           NotifyType = 14
	InvalidKEPayload           NotifyType = 17
	AuthenticationFailed       NotifyType = 24
	SinglePairRequired         NotifyType = 34
	NoAdditionalSAs            NotifyType = 35
	InternalAddressFailure     NotifyType = 36
	FailedCPRequired           NotifyType = 37
	TSUnacceptable             NotifyType = 38
	InvalidSelectors           NotifyType = 39
	UnacceptableAddresses      NotifyType = 40 // RFC 4555
	UnexpectedNATDetected      NotifyType = 41 // RFC 4555
	UseAssignedHoA             NotifyType = 42 // RFC 5026
	TemporaryFailure           NotifyType = 43
	ChildSANotFound            NotifyType = 44
	InvalidGroupID             NotifyType = 45 // RFC 9838
	AuthorizationFailed        NotifyType = 46 // RFC 9838
	StateNotFound              NotifyType = 47 // RFC 9370
	TSMaxQueue                 NotifyType = 48 // RFC 9611
	RegistrationFailed         NotifyType = 49 // RFC 9838
)

// Status. Without an RFC: RFC 7296 §3.10.1.
const (
	InitialContact                  NotifyType = 16384
	SetWindowSize                   NotifyType = 16385
	AdditionalTSPossible            NotifyType = 16386
	IPCOMPSupported                 NotifyType = 16387
	NATDetectionSourceIP            NotifyType = 16388
	NATDetectionDestinationIP       NotifyType = 16389
	Cookie                          NotifyType = 16390
	UseTransportMode                NotifyType = 16391
	HTTPCertLookupSupported         NotifyType = 16392
	RekeySA                         NotifyType = 16393
	ESPTFCPaddingNotSupported       NotifyType = 16394
	NonFirstFragmentsAlso           NotifyType = 16395
	MOBIKESupported                 NotifyType = 16396 // RFC 4555
	AdditionalIP4Address            NotifyType = 16397 // RFC 4555
	AdditionalIP6Address            NotifyType = 16398 // RFC 4555
	NoAdditionalAddresses           NotifyType = 16399 // RFC 4555
	UpdateSAAddresses               NotifyType = 16400 // RFC 4555
	Cookie2                         NotifyType = 16401 // RFC 4555
	NoNATsAllowed                   NotifyType = 16402 // RFC 4555
	AuthLifetime                    NotifyType = 16403 // RFC 4478
	MultipleAuthSupported           NotifyType = 16404 // RFC 4739
	AnotherAuthFollows              NotifyType = 16405 // RFC 4739
	RedirectSupported               NotifyType = 16406 // RFC 5685
	Redirect                        NotifyType = 16407 // RFC 5685
	RedirectedFrom                  NotifyType = 16408 // RFC 5685
	TicketLTOpaque                  NotifyType = 16409 // RFC 5723
	TicketRequest                   NotifyType = 16410 // RFC 5723
	TicketAck                       NotifyType = 16411 // RFC 5723
	TicketNack                      NotifyType = 16412 // RFC 5723
	TicketOpaque                    NotifyType = 16413 // RFC 5723
	LinkID                          NotifyType = 16414 // RFC 5739
	UseWESPMode                     NotifyType = 16415 // RFC 5840
	ROHCSupported                   NotifyType = 16416 // RFC 5857
	EAPOnlyAuthentication           NotifyType = 16417 // RFC 5998
	ChildlessIKEv2Supported         NotifyType = 16418 // RFC 6023
	QuickCrashDetection             NotifyType = 16419 // RFC 6290
	IKEv2MessageIDSyncSupported     NotifyType = 16420 // RFC 6311
	IPsecReplayCounterSyncSupported NotifyType = 16421 // RFC 6311
	IKEv2MessageIDSync              NotifyType = 16422 // RFC 6311
	IPsecReplayCounterSync          NotifyType = 16423 // RFC 6311
	SecurePasswordMethods           NotifyType = 16424 // RFC 6467
	PSKPersist                      NotifyType = 16425 // RFC 6631
	PSKConfirm                      NotifyType = 16426 // RFC 6631
	ERXSupported                    NotifyType = 16427 // RFC 6867
	IFOMCapability                  NotifyType = 16428 // 3GPP TS 24.303
	GroupSender                     NotifyType = 16429 // RFC 9838
	IKEv2FragmentationSupported     NotifyType = 16430 // RFC 7383
	SignatureHashAlgorithms         NotifyType = 16431 // RFC 7427
	CloneIKESASupported             NotifyType = 16432 // RFC 7791
	CloneIKESA                      NotifyType = 16433 // RFC 7791
	Puzzle                          NotifyType = 16434 // RFC 8019
	UsePPK                          NotifyType = 16435 // RFC 8784
	PPKIdentity                     NotifyType = 16436 // RFC 8784
	NoPPKAuth                       NotifyType = 16437 // RFC 8784
	IntermediateExchangeSupported   NotifyType = 16438 // RFC 9242
	IP4Allowed                      NotifyType = 16439 // RFC 8983
	IP6Allowed                      NotifyType = 16440 // RFC 8983
	AdditionalKeyExchange           NotifyType = 16441 // RFC 9370
	UseAGGFRAG                      NotifyType = 16442 // RFC 9347
	SupportedAuthMethods            NotifyType = 16443 // RFC 9593
	SAResourceInfo                  NotifyType = 16444 // RFC 9611
	UsePPKInt                       NotifyType = 16445 // RFC 9867
	PPKIdentityKey                  NotifyType = 16446 // RFC 9867
	MSNotifyStatus                  NotifyType = 12345 // Microsoft: the reason of a failure
	MEConnectFailed                 NotifyType = 8192  // strongSwan mediation
	UseBEETMode                     NotifyType = 40961 // strongSwan
	RADIUSAttribute                 NotifyType = 40969 // strongSwan
)

// notifyNames has IANA's name and the short one in charon's log; where charon has none, ours in its manner.
var notifyNames = map[NotifyType][2]string{
	UnsupportedCriticalPayload: {"UNSUPPORTED_CRITICAL_PAYLOAD", "CRIT"},
	InvalidIKESPI:              {"INVALID_IKE_SPI", "INVAL_IKE_SPI"},
	InvalidMajorVersion:        {"INVALID_MAJOR_VERSION", "INVAL_MAJOR"},
	InvalidSyntax:              {"INVALID_SYNTAX", "INVAL_SYN"},
	InvalidMessageID:           {"INVALID_MESSAGE_ID", "INVAL_MID"},
	InvalidSPI:                 {"INVALID_SPI", "INVAL_SPI"},
	NoProposalChosen:           {"NO_PROPOSAL_CHOSEN", "NO_PROP"},
	InvalidKEPayload:           {"INVALID_KE_PAYLOAD", "INVAL_KE"},
	AuthenticationFailed:       {"AUTHENTICATION_FAILED", "AUTH_FAILED"},
	SinglePairRequired:         {"SINGLE_PAIR_REQUIRED", "SINGLE_PAIR"},
	NoAdditionalSAs:            {"NO_ADDITIONAL_SAS", "NO_ADD_SAS"},
	InternalAddressFailure:     {"INTERNAL_ADDRESS_FAILURE", "INT_ADDR_FAIL"},
	FailedCPRequired:           {"FAILED_CP_REQUIRED", "FAIL_CP_REQ"},
	TSUnacceptable:             {"TS_UNACCEPTABLE", "TS_UNACCEPT"},
	InvalidSelectors:           {"INVALID_SELECTORS", "INVAL_SEL"},
	UnacceptableAddresses:      {"UNACCEPTABLE_ADDRESSES", "UNACCEPT_ADDR"},
	UnexpectedNATDetected:      {"UNEXPECTED_NAT_DETECTED", "UNEXPECT_NAT"},
	UseAssignedHoA:             {"USE_ASSIGNED_HoA", "ASSIGNED_HoA"},
	TemporaryFailure:           {"TEMPORARY_FAILURE", "TEMP_FAIL"},
	ChildSANotFound:            {"CHILD_SA_NOT_FOUND", "NO_CHILD_SA"},
	InvalidGroupID:             {"INVALID_GROUP_ID", "INVAL_GROUP"},
	AuthorizationFailed:        {"AUTHORIZATION_FAILED", "AUTHZ_FAILED"},
	StateNotFound:              {"STATE_NOT_FOUND", "NO_STATE"},
	TSMaxQueue:                 {"TS_MAX_QUEUE", "MAX_QUEUE"},
	RegistrationFailed:         {"REGISTRATION_FAILED", "REG_FAILED"},
	MEConnectFailed:            {"ME_CONNECT_FAILED", "ME_CONN_FAIL"},
	MSNotifyStatus:             {"MS_NOTIFY_STATUS", "MS_STATUS"},

	InitialContact:                  {"INITIAL_CONTACT", "INIT_CONTACT"},
	SetWindowSize:                   {"SET_WINDOW_SIZE", "SET_WINSIZE"},
	AdditionalTSPossible:            {"ADDITIONAL_TS_POSSIBLE", "ADD_TS_POSS"},
	IPCOMPSupported:                 {"IPCOMP_SUPPORTED", "IPCOMP_SUP"},
	NATDetectionSourceIP:            {"NAT_DETECTION_SOURCE_IP", "NATD_S_IP"},
	NATDetectionDestinationIP:       {"NAT_DETECTION_DESTINATION_IP", "NATD_D_IP"},
	Cookie:                          {"COOKIE", "COOKIE"},
	UseTransportMode:                {"USE_TRANSPORT_MODE", "USE_TRANSP"},
	HTTPCertLookupSupported:         {"HTTP_CERT_LOOKUP_SUPPORTED", "HTTP_CERT_LOOK"},
	RekeySA:                         {"REKEY_SA", "REKEY_SA"},
	ESPTFCPaddingNotSupported:       {"ESP_TFC_PADDING_NOT_SUPPORTED", "ESP_TFC_PAD_N"},
	NonFirstFragmentsAlso:           {"NON_FIRST_FRAGMENTS_ALSO", "NON_FIRST_FRAG"},
	MOBIKESupported:                 {"MOBIKE_SUPPORTED", "MOBIKE_SUP"},
	AdditionalIP4Address:            {"ADDITIONAL_IP4_ADDRESS", "ADD_4_ADDR"},
	AdditionalIP6Address:            {"ADDITIONAL_IP6_ADDRESS", "ADD_6_ADDR"},
	NoAdditionalAddresses:           {"NO_ADDITIONAL_ADDRESSES", "NO_ADD_ADDR"},
	UpdateSAAddresses:               {"UPDATE_SA_ADDRESSES", "UPD_SA_ADDR"},
	Cookie2:                         {"COOKIE2", "COOKIE2"},
	NoNATsAllowed:                   {"NO_NATS_ALLOWED", "NO_NATS"},
	AuthLifetime:                    {"AUTH_LIFETIME", "AUTH_LFT"},
	MultipleAuthSupported:           {"MULTIPLE_AUTH_SUPPORTED", "MULT_AUTH"},
	AnotherAuthFollows:              {"ANOTHER_AUTH_FOLLOWS", "AUTH_FOLLOWS"},
	RedirectSupported:               {"REDIRECT_SUPPORTED", "REDIR_SUP"},
	Redirect:                        {"REDIRECT", "REDIR"},
	RedirectedFrom:                  {"REDIRECTED_FROM", "REDIR_FROM"},
	TicketLTOpaque:                  {"TICKET_LT_OPAQUE", "TKT_LT_OPAK"},
	TicketRequest:                   {"TICKET_REQUEST", "TKT_REQ"},
	TicketAck:                       {"TICKET_ACK", "TKT_ACK"},
	TicketNack:                      {"TICKET_NACK", "TKT_NACK"},
	TicketOpaque:                    {"TICKET_OPAQUE", "TKT_OPAK"},
	LinkID:                          {"LINK_ID", "LINK_ID"},
	UseWESPMode:                     {"USE_WESP_MODE", "WESP_MODE"},
	ROHCSupported:                   {"ROHC_SUPPORTED", "ROHC_SUP"},
	EAPOnlyAuthentication:           {"EAP_ONLY_AUTHENTICATION", "EAP_ONLY"},
	ChildlessIKEv2Supported:         {"CHILDLESS_IKEV2_SUPPORTED", "CHDLESS_SUP"},
	QuickCrashDetection:             {"QUICK_CRASH_DETECTION", "CRASH_DET"},
	IKEv2MessageIDSyncSupported:     {"IKEV2_MESSAGE_ID_SYNC_SUPPORTED", "MSG_ID_SYN_SUP"},
	IPsecReplayCounterSyncSupported: {"IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED", "RPL_CTR_SYN_SUP"},
	IKEv2MessageIDSync:              {"IKEV2_MESSAGE_ID_SYNC", "MSG_ID_SYN"},
	IPsecReplayCounterSync:          {"IPSEC_REPLAY_COUNTER_SYNC", "RPL_CTR_SYN"},
	SecurePasswordMethods:           {"SECURE_PASSWORD_METHODS", "SEC_PASSWD"},
	PSKPersist:                      {"PSK_PERSIST", "PSK_PST"},
	PSKConfirm:                      {"PSK_CONFIRM", "PSK_CFM"},
	ERXSupported:                    {"ERX_SUPPORTED", "ERX_SUP"},
	IFOMCapability:                  {"IFOM_CAPABILITY", "IFOM_CAP"},
	GroupSender:                     {"GROUP_SENDER", "SENDER_REQ_ID"},
	IKEv2FragmentationSupported:     {"IKEV2_FRAGMENTATION_SUPPORTED", "FRAG_SUP"},
	SignatureHashAlgorithms:         {"SIGNATURE_HASH_ALGORITHMS", "HASH_ALG"},
	CloneIKESASupported:             {"CLONE_IKE_SA_SUPPORTED", "CLONE_SUP"},
	CloneIKESA:                      {"CLONE_IKE_SA", "CLONE"},
	Puzzle:                          {"PUZZLE", "PUZZLE"},
	UsePPK:                          {"USE_PPK", "USE_PPK"},
	PPKIdentity:                     {"PPK_IDENTITY", "PPK_ID"},
	NoPPKAuth:                       {"NO_PPK_AUTH", "NO_PPK"},
	IntermediateExchangeSupported:   {"INTERMEDIATE_EXCHANGE_SUPPORTED", "IKE_INT_SUP"},
	IP4Allowed:                      {"IP4_ALLOWED", "IP4_ALLOWED"},
	IP6Allowed:                      {"IP6_ALLOWED", "IP6_ALLOWED"},
	AdditionalKeyExchange:           {"ADDITIONAL_KEY_EXCHANGE", "ADD_KE"},
	UseAGGFRAG:                      {"USE_AGGFRAG", "AGGFRAG"},
	SupportedAuthMethods:            {"SUPPORTED_AUTH_METHODS", "AUTH_METHODS"},
	SAResourceInfo:                  {"SA_RESOURCE_INFO", "RES_INFO"},
	UsePPKInt:                       {"USE_PPK_INT", "USE_PPK_INT"},
	PPKIdentityKey:                  {"PPK_IDENTITY_KEY", "PPK_ID_KEY"},
	UseBEETMode:                     {"USE_BEET_MODE", "BEET_MODE"},
	RADIUSAttribute:                 {"RADIUS_ATTRIBUTE", "RADIUS"},
}

// String is IANA's name, "NO_PROPOSAL_CHOSEN", or the number in parentheses for a type without one.
func (t NotifyType) String() string {
	if names, ok := notifyNames[t]; ok {
		return names[0]
	}
	return "(" + strconv.Itoa(int(t)) + ")"
}

// Short is the name in charon's log, "NO_PROP", or the number in parentheses for a type without one.
func (t NotifyType) Short() string {
	if names, ok := notifyNames[t]; ok {
		return names[1]
	}
	return "(" + strconv.Itoa(int(t)) + ")"
}

// IsError tells an error from a status: "Types in the range 0 - 16383 are intended for reporting errors."
// RFC 7296 §3.10.1
func (t NotifyType) IsError() bool { return t < 16384 }
