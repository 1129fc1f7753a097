package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerOperators(pages gin.IRouter) {
}
