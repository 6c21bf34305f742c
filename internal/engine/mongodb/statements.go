package mongodb

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/tumbler-rotation/tumbler/internal/redact"
)

// adminDB is the database that every command goes to.
const adminDB = "admin"

// markKey is the key in a clone's custom data that holds the secret's ARN.
const markKey = "tumblerSecret"

// The commands follow MongoDB's manual and the Amazon DocumentDB developer guide
// ("Supported MongoDB APIs, operations, and data types"). The first element names the
// command.

// helloCommand greets the server and asks how the user may log in. It uses the old name
// of the command, as drivers do, because every version of DocumentDB supports it.
func helloCommand(user string) bson.D {
	return bson.D{
		{Key: "isMaster", Value: 1},
		{Key: "helloOk", Value: true},
		{Key: "saslSupportedMechs", Value: adminDB + "." + user},
		// Shown in the server's log and in currentOp.
		{Key: "client", Value: bson.D{
			{Key: "application", Value: bson.D{{Key: "name", Value: "tumbler"}}},
			{Key: "driver", Value: bson.D{{Key: "name", Value: "tumbler"}, {Key: "version", Value: "1"}}},
			{Key: "os", Value: bson.D{{Key: "type", Value: "unknown"}}},
		}},
	}
}

func saslStartCommand(mechanism string, payload []byte) bson.D {
	return bson.D{
		{Key: "saslStart", Value: 1},
		{Key: "mechanism", Value: mechanism},
		{Key: "payload", Value: payload},
		{Key: "autoAuthorize", Value: 1},
		// Saves the empty exchange at the end on servers that support this option.
		{Key: "options", Value: bson.D{{Key: "skipEmptyExchange", Value: true}}},
	}
}

func saslContinueCommand(conversation any, payload []byte) bson.D {
	return bson.D{
		{Key: "saslContinue", Value: 1},
		{Key: "conversationId", Value: conversation},
		{Key: "payload", Value: payload},
	}
}

func pingCommand() bson.D { return bson.D{{Key: "ping", Value: 1}} }

func setPasswordCommand(user string, password redact.String) bson.D {
	return bson.D{{Key: "updateUser", Value: user}, {Key: "pwd", Value: password.Reveal()}}
}

// usersInfoCommand asks for one user. It names the user's database, because otherwise the
// server assumes the database that the command is sent to. Source: MongoDB manual,
// "usersInfo"; DocumentDB supports these two keys.
func usersInfoCommand(user string) bson.D {
	return bson.D{{Key: "usersInfo", Value: bson.D{{Key: "user", Value: user}, {Key: "db", Value: adminDB}}}}
}

// createUserCommand creates a user, with a mark unless mark is empty.
func createUserCommand(user string, password redact.String, roles []role, mark string) bson.D {
	command := bson.D{
		{Key: "createUser", Value: user},
		{Key: "pwd", Value: password.Reveal()},
		{Key: "roles", Value: roleArray(roles)},
	}
	if mark != "" {
		command = append(command, bson.E{Key: "customData", Value: bson.D{{Key: markKey, Value: mark}}})
	}
	return command
}

func grantCommand(user string, roles []role) bson.D {
	return bson.D{{Key: "grantRolesToUser", Value: user}, {Key: "roles", Value: roleArray(roles)}}
}

func revokeCommand(user string, roles []role) bson.D {
	return bson.D{{Key: "revokeRolesFromUser", Value: user}, {Key: "roles", Value: roleArray(roles)}}
}

func roleArray(roles []role) bson.A {
	array := bson.A{}
	for _, r := range roles {
		array = append(array, bson.D{{Key: "role", Value: r.Role}, {Key: "db", Value: r.DB}})
	}
	return array
}
